package main

import (
	"fmt"
	"os"
	"strings"
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

// shopWrong says what is not as it was in the shop, as the endpoint itself knows it.
func shopWrong(c *awstest.Cloud) string {
	wrong := c.Left()
	acls, _ := c.ACLs()
	for subnet, acl := range acls {
		if acl != "acl-00000001" {
			wrong = append(wrong, subnet+" has "+acl)
		}
	}
	for service, want := range map[string]int{"worker": 3, "api": 2, "scheduler": 2, "billing": 1} {
		if n := c.Running("shop", service); n != want {
			wrong = append(wrong, fmt.Sprintf("%d of %d of %s run", n, want, service))
		}
	}
	if n := c.Healthy("shop-api"); n != 2 {
		wrong = append(wrong, fmt.Sprintf("%d targets are healthy", n))
	}
	return strings.Join(wrong, ", ")
}
