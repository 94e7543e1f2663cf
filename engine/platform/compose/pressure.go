package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"gameday/engine/platform"
	"gameday/engine/platform/link"
)

// What a Mend step carries.
const (
	withKind  = "kind"  // what is to be mended: network, cpu, memory, io or disk
	withLimit = "limit" // as the kernel wrote it before
	withSince = "since" // the incarnation that the limit is of: a container that started again has its own limit again
	withPath  = "path"  // the folder that is filled
)

var errUnknownKind = errors.New("this platform knows no such pressure")

// Presses reports nothing: all four kinds work beside a container.
func (p *Project) Presses(platform.Pressure) error { return nil }

// Using reads the limit that is to be lowered, or looks whether a folder can be filled.
func (p *Project) Using(ctx context.Context, unit string, pr platform.Pressure) (map[string]string, error) {
	c, err := p.find(ctx, unit)
	if err != nil {
		return nil, err
	}
	if err := p.image(ctx); err != nil {
		return nil, err
	}
	with := map[string]string{withKind: pr.Kind, withSince: c.State.StartedAt}
	switch pr.Kind {
	case "cpu", "memory":
		now, err := p.limit(ctx, c, unit, pr, "")
		if err != nil {
			return nil, err
		}
		if _, err := p.lower(ctx, pr, now); err != nil {
			return nil, fmt.Errorf("%s: %w", unit, err)
		}
		with[withLimit] = now.Limit
	case "disk":
		if !onMount(c, pr.Path) {
			return nil, fmt.Errorf("%s is in no volume of %s; only volumes are filled (there are: %s)", pr.Path, unit, orNone(mounts(c)))
		}
		with[withPath] = pr.Path
	case "io":
	default:
		return nil, errUnknownKind
	}
	return with, nil
}

func mounts(c container.InspectResponse) []string {
	var all []string
	for _, m := range c.Mounts {
		if m.RW {
			all = append(all, m.Destination)
		}
	}
	return all
}

func onMount(c container.InspectResponse, folder string) bool {
	folder = path.Clean(folder)
	for _, m := range mounts(c) {
		if folder == m || strings.HasPrefix(folder, strings.TrimSuffix(m, "/")+"/") {
			return true
		}
	}
	return false
}

// limit reads the limit of a container's control group, and sets it where set says to what.
func (p *Project) limit(ctx context.Context, c container.InspectResponse, unit string, pr platform.Pressure, set string) (link.Limit, error) {
	if !c.State.Running {
		return link.Limit{}, fmt.Errorf("%s does not run", unit)
	}
	args := []string{"cgroup", strconv.Itoa(c.State.Pid), pr.Kind}
	if set != "" {
		args = append(args, set)
	}
	printed, err := p.runOnce(ctx, unit, pr.Lease, args, onHost)
	if err != nil {
		return link.Limit{}, err
	}
	var s link.Limit
	return s, json.Unmarshal([]byte(printed), &s)
}

const (
	leastQuota  = 1000     // microseconds, the least that the kernel takes
	leastMemory = 16 << 20 // bytes
)

// lower gives the limit that the pressure makes of the present one, as the kernel wants it written.
func (p *Project) lower(ctx context.Context, pr platform.Pressure, now link.Limit) (string, error) {
	info, err := p.docker.Info(ctx, client.InfoOptions{})
	if err != nil {
		return "", explain(err)
	}
	if pr.Kind == "memory" {
		limit, err := strconv.ParseInt(now.Limit, 10, 64)
		if err != nil || limit > info.Info.MemTotal {
			limit = info.Info.MemTotal // no limit of its own
		}
		if limit-pr.Size < leastMemory {
			return "", fmt.Errorf("it may use %d bytes of memory, so %d cannot be taken from it", limit, pr.Size)
		}
		return strconv.FormatInt(limit-pr.Size, 10), nil
	}
	quota, period := now.Limit, now.Period
	if now.Version == 2 {
		quota, period, _ = strings.Cut(now.Limit, " ")
	}
	each, err := strconv.ParseFloat(period, 64)
	if err != nil {
		return "", fmt.Errorf("the kernel's period %q cannot be read", period)
	}
	may, err := strconv.ParseFloat(quota, 64)
	if err != nil || may <= 0 {
		may = each * float64(info.Info.NCPU)
	}
	left := max(int64(may*(100-pr.Percent)/100), leastQuota)
	if now.Version == 2 {
		return fmt.Sprintf("%d %s", left, period), nil
	}
	return strconv.FormatInt(left, 10), nil
}

// Press lowers the limit, or starts what uses the disk.
func (p *Project) Press(ctx context.Context, unit string, pr platform.Pressure) error {
	c, err := p.find(ctx, unit)
	if err != nil {
		return err
	}
	lasts := fmt.Sprintf("%.3f", (pr.Lasts + selfEnd).Seconds())
	switch pr.Kind {
	case "cpu", "memory":
		now, err := p.limit(ctx, c, unit, pr, "")
		if err != nil {
			return err
		}
		to, err := p.lower(ctx, pr, now)
		if err != nil {
			return err
		}
		_, err = p.limit(ctx, c, unit, pr, to)
		return err
	case "io":
		return p.begin(ctx, unit, pr.Lease, []string{"io", strconv.FormatInt(pr.Rate, 10), lasts}, onItsOwn)
	case "disk":
		return p.begin(ctx, unit, pr.Lease, []string{"fill", pr.Path, pr.Lease, strconv.FormatInt(pr.Leave, 10), lasts}, onVolumes(c.ID))
	default:
		return errUnknownKind
	}
}

// begin starts a sidecar that works until it is ended.
func (p *Project) begin(ctx context.Context, unit, lease string, args []string, how beside) error {
	id, err := p.make(ctx, unit, lease, args, how, false)
	if err != nil {
		return err
	}
	_, err = p.docker.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return explain(err)
}

// Pressed reads the limit again, or what the sidecar at the disk says.
func (p *Project) Pressed(ctx context.Context, unit string, pr platform.Pressure) (string, error) {
	if pr.Kind == "cpu" || pr.Kind == "memory" {
		c, err := p.find(ctx, unit)
		if err != nil {
			return "", err
		}
		now, err := p.limit(ctx, c, unit, pr, "")
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%s: the limit of %s is %s now", unit, pr.Kind, now.Limit), nil
	}
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", leaseLabel+"="+pr.Lease, unitLabel+"="+unit)})
	if err != nil {
		return "", explain(err)
	}
	for _, c := range list.Items {
		out, complaints, err := p.printed(ctx, c.ID)
		if err != nil {
			return "", err
		}
		if c.State != container.StateRunning {
			return "", fmt.Errorf("the sidecar of %s has ended: %s", unit, complaints)
		}
		lines := strings.Split(out, "\n")
		var r link.Report
		if json.Unmarshal([]byte(lines[len(lines)-1]), &r) == nil && r.Evidence != "" {
			return unit + ": " + r.Evidence, nil
		}
	}
	return "", fmt.Errorf("nothing works at %s yet", unit)
}

// mend takes away everything of a lease beside one unit, by its own will first and by force then, and restores what was
// there.
func (p *Project) mend(ctx context.Context, s platform.Step) error {
	p.mu.Lock()
	if mine := p.sidecars[s.Lease+"/"+s.Unit]; mine != nil {
		mine.conn.Close()
		delete(p.sidecars, s.Lease+"/"+s.Unit)
	}
	p.mu.Unlock()
	list, err := p.docker.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", leaseLabel+"="+s.Lease, unitLabel+"="+s.Unit)})
	if err != nil {
		return explain(err)
	}
	clean := len(list.Items) > 0
	for _, c := range list.Items {
		ended, err := p.dismiss(ctx, c.ID)
		if err != nil {
			return err
		}
		clean = clean && ended
	}
	c, err := p.find(ctx, s.Unit)
	if errors.Is(err, errUnitGone) || errors.Is(err, platform.ErrNotUp) {
		return nil // its namespace, its control group and its volumes went with it
	}
	if err != nil {
		return err
	}
	switch kind := s.With[withKind]; {
	case kind == "network" && c.State.Running && !clean:
		_, err = p.runOnce(ctx, s.Unit, s.Lease, []string{"clean", s.Lease}, inNetwork(c.ID))
	case (kind == "cpu" || kind == "memory") && c.State.Running && c.State.StartedAt == s.With[withSince]:
		_, err = p.limit(ctx, c, s.Unit, platform.Pressure{Kind: kind, Lease: s.Lease}, s.With[withLimit])
	case kind == "disk" && !clean:
		_, err = p.runOnce(ctx, s.Unit, s.Lease, []string{"unfill", s.With[withPath], s.Lease}, onVolumes(c.ID))
	}
	return err
}

// politely is how long a sidecar may take to put back what it did before it is removed by force.
const politely = 1500 * time.Millisecond

// dismiss ends a sidecar and removes it; clean says that it ended by itself, having put back what it did.
func (p *Project) dismiss(ctx context.Context, id string) (clean bool, err error) {
	limit, cancel := context.WithTimeout(ctx, politely)
	defer cancel()
	ended := p.docker.ContainerWait(limit, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	_, _ = p.docker.ContainerKill(limit, id, client.ContainerKillOptions{Signal: "TERM"})
	select {
	case r := <-ended.Result:
		clean = r.StatusCode == 0
	case <-ended.Error:
	case <-limit.Done():
	}
	if _, err := p.docker.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true}); err != nil && !gone(err) && !strings.Contains(err.Error(), "already in progress") {
		return clean, explain(err)
	}
	return clean, nil
}
