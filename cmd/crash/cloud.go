package main

import (
	"os"
	"time"

	"gameday/engine/platform/aws/awstest"
)

// shopBook is the runbook for the shop of the endpoint that answers as AWS does.
const shopBook = `gameday: v1
title: crash
target: {platform: aws, project: shop, clusters: [shop]}
steady_state: [{name: up, probe: {ecs: {service: worker}}, expect: running >= 3, every: 50ms, over: 50ms}]
experiments:
  - name: e
    hypothesis: h
    inject: [%s]
    observe: 500ms
`

// openShop starts the endpoint and points every process at it.
func openShop() (*awstest.Cloud, error) {
	c := awstest.Shop()
	c.Do(func(c *awstest.Cloud) { c.Takes = 100 * time.Millisecond })
	for name, value := range c.Env() {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	return c, nil
}
