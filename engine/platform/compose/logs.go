package compose

import (
	"bufio"
	"context"
	"io"
	"strconv"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// Logs sends a container's lines, the last tail of them first, then new ones while follow, until ctx ends.
func (p *Project) Logs(ctx context.Context, unit string, tail int, follow bool) (<-chan string, error) {
	c, err := p.find(ctx, unit)
	if err != nil {
		return nil, err
	}
	last := strconv.Itoa(tail)
	if tail < 0 {
		last = "all"
	}
	stream, err := p.docker.ContainerLogs(ctx, c.ID, client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Follow: follow, Tail: last})
	if err != nil {
		return nil, explain(err)
	}
	read, write := io.Pipe()
	go func() {
		defer func() { _ = stream.Close() }()
		if c.Config.Tty {
			_, err = io.Copy(write, stream)
		} else {
			_, err = stdcopy.StdCopy(write, write, stream)
		}
		_ = write.CloseWithError(err)
	}()
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer func() { _ = read.Close() }()
		scan := bufio.NewScanner(read)
		scan.Buffer(nil, 1<<20)
		for scan.Scan() {
			select {
			case lines <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines, nil
}
