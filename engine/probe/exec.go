package probe

import (
	"context"
	"strconv"
	"strings"

	"gameday/engine/program"
	"gameday/runbook"
)

// execProbe runs a program of the runbook.
type execProbe struct {
	argv   []string
	folder string
}

func newExec(params any, tools Tools) (Probe, error) {
	argv := params.(*runbook.ExecProbe).Argv
	if _, err := program.Find(tools.Folder, argv[0]); err != nil {
		return nil, err
	}
	return execProbe{argv, tools.Folder}, nil
}

func (p execProbe) Measure(ctx context.Context) (Measurement, error) {
	code, printed, err := program.Run(ctx, p.folder, p.argv, maxBody)
	if err != nil {
		return Measurement{}, err
	}
	text := strings.TrimSpace(printed)
	number, _ := strconv.ParseFloat(text, 64)
	return Measurement{map[string]any{"exit": float64(code), "stdout": text, "value": number}, number}, nil
}

func (execProbe) Close() {}
