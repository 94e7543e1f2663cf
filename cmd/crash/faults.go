package main

const project = "crash"

// all are the faults of each platform, as a runbook writes them.
var all = map[string]map[string]string{
	"local": {
		"kill":      "{fault: kill, select: {service: worker}, for: 300ms}",
		"stop":      "{fault: stop, select: {service: worker}, grace: 2s, for: 300ms}",
		"pause":     "{fault: pause, select: {service: worker}, for: 300ms}",
		"restart":   "{fault: restart, select: {instance: i-2}, down: 300ms}",
		"script":    "{fault: script, inject: [touch, scripted], revert: [rm, -f, scripted], for: 300ms}",
		"two":       "{fault: pause, select: {unit: worker-1}, for: 400ms}, {fault: kill, select: {unit: worker-2}, after: 100ms, for: 200ms}",
		"latency":   "{fault: network.latency, select: {unit: worker-1}, latency: 200ms, to: {service: postgres}, for: 300ms}",
		"blackhole": "{fault: network.blackhole, select: {unit: worker-1}, for: 300ms}",
		"cpu":       "{fault: cpu.pressure, select: {unit: worker-1}, percent: 80, for: 300ms}",
		"lock":      "{fault: postgres.lock, select: {service: postgres}, table: tasks, for: 300ms}",
		"exhaust":   "{fault: postgres.exhaust, select: {service: postgres}, leave: 200, for: 300ms}",
		"read-only": "{fault: postgres.read_only, select: {service: postgres}, for: 300ms}",
		"cpause":    "{fault: cache.pause, select: {service: cache, pick: primary}, for: 1s}",
		"cfill":     "{fault: cache.fill, select: {service: cache, pick: primary}, to: 5%, for: 300ms}",
	},
	"aws": {
		"kill":       "{fault: kill, select: {service: worker}, for: 3s}",
		"stop":       "{fault: stop, select: {service: bastion}, for: 3s}",
		"drain":      "{fault: aws.drain, select: {service: shop-hosts, pick: first}, for: 500ms}",
		"scale":      "{fault: aws.scale, select: {service: worker}, to: 1, for: 500ms}",
		"isolate":    "{fault: aws.isolate, select: {zone: eu-central-1a}, for: 500ms}",
		"document":   "{fault: aws.ssm, select: {service: bastion}, document: Break, revert: PutBack, for: 500ms}",
		"latency":    "{fault: network.latency, select: {service: bastion}, latency: 200ms, for: 500ms}",
		"experiment": "{fault: aws.fis, select: {service: worker}, action: \"aws:ecs:stop-task\", role: \"arn:aws:iam::123456789012:role/fis\", for: 1s}",
	},
	"compose": {
		"kill":      "{fault: kill, select: {service: worker}, for: 300ms}",
		"pause":     "{fault: pause, select: {service: worker}, for: 300ms}",
		"remove":    "{fault: remove, select: {unit: worker-2}, for: 300ms}",
		"latency":   "{fault: network.latency, select: {unit: worker-1}, latency: 200ms, to: {service: postgres}, for: 500ms}",
		"blackhole": "{fault: network.blackhole, select: {unit: worker-1}, for: 500ms}",
		"dns":       "{fault: network.dns, select: {unit: worker-1}, for: 300ms}",
		"cpu":       "{fault: cpu.pressure, select: {unit: worker-1}, percent: 80, for: 300ms}",
		"io":        "{fault: io.pressure, select: {unit: worker-1}, rate: 1MB/s, for: 300ms}",
		"lock":      "{fault: postgres.lock, select: {service: postgres}, table: tasks, for: 300ms}",
	},
}

const book = `gameday: v1
title: crash
target: {platform: %s, project: %s}
steady_state: [{name: up, probe: {units: {service: worker}}, expect: running >= 3, every: 50ms, over: 50ms}]
experiments:
  - name: e
    hypothesis: h
    inject: [%s]
    observe: 500ms
`
