package awstest

import "fmt"

// The parts of the shop that Amiss looks at.
const ownACL = "acl-00000001"

var wanted = map[string]int{"worker": 3, "scheduler": 2, "api": 2, "billing": 1}

// Amiss names what is not as it was in a new shop, what faults have left among it.
func (c *Cloud) Amiss() []string {
	wrong := c.Left()
	acls, _ := c.ACLs()
	for subnet, acl := range acls {
		if acl != ownACL {
			wrong = append(wrong, subnet+" has "+acl)
		}
	}
	for service, want := range wanted {
		if n := c.Running("shop", service); n != want {
			wrong = append(wrong, fmt.Sprintf("%d of %d of %s run", n, want, service))
		}
	}
	if n := c.Healthy("shop-api"); n != 2 {
		wrong = append(wrong, fmt.Sprintf("%d targets are healthy", n))
	}
	return wrong
}

// Shop is a cloud with a target in it: the cluster shop with two services on two instances of an Auto Scaling group and one on
// Fargate, an instance of its own, a cache of two nodes, a database with a standby and a cluster of two, in two zones. Everything
// of it has opted in, but the service billing.
func Shop() *Cloud {
	c := New()
	c.mu.Lock()
	defer c.mu.Unlock()
	in := map[string]string{"project": "shop", "gameday": "allowed"}
	c.AddACL(&ACL{ID: ownACL, VPC: "vpc-1", Default: true})
	c.AddSubnet(&Subnet{ID: "subnet-0000000a", VPC: "vpc-1", Zone: "eu-central-1a", ACL: ownACL, Tags: in})
	c.AddSubnet(&Subnet{ID: "subnet-0000000b", VPC: "vpc-1", Zone: "eu-central-1b", ACL: ownACL, Tags: in})
	c.AddGroup(&Group{Name: "shop-hosts", Desired: 2})
	c.AddInstance(&Instance{ID: "i-0000000000000001a", Zone: "eu-central-1a", Group: "shop-hosts", Cluster: "shop", Subnet: "subnet-0000000a", Addr: "10.1.0.1", Tags: in})
	c.AddInstance(&Instance{ID: "i-0000000000000001b", Zone: "eu-central-1b", Group: "shop-hosts", Cluster: "shop", Subnet: "subnet-0000000b", Addr: "10.1.0.2", Tags: in})
	c.AddInstance(&Instance{ID: "i-0000000000000002a", Zone: "eu-central-1a", Subnet: "subnet-0000000a", Addr: "10.1.0.3", Tags: map[string]string{"project": "shop", "gameday": "allowed", "service": "bastion"}})
	hosts := []string{"i-0000000000000001a", "i-0000000000000001b"}
	c.AddService(&Service{Cluster: "shop", Name: "worker", Desired: wanted["worker"], Tags: in, On: hosts})
	c.AddService(&Service{Cluster: "shop", Name: "scheduler", Desired: wanted["scheduler"], Tags: in, On: hosts})
	c.AddService(&Service{Cluster: "shop", Name: "api", Desired: wanted["api"], Tags: in, Zones: []string{"eu-central-1a", "eu-central-1b"}})
	c.AddService(&Service{Cluster: "shop", Name: "billing", Desired: wanted["billing"], Tags: map[string]string{"project": "shop"}, Zones: []string{"eu-central-1b"}})
	c.AddCache(&Cache{Group: "shop-cache", Nodes: []string{"shop-cache-001", "shop-cache-002"}, Tags: in})
	c.AddDatabase(&Database{Name: "shop-db", Zone: "eu-central-1a", MultiAZ: true, Tags: in})
	c.AddDatabase(&Database{Name: "shop-orders-1", Cluster: "shop-orders", Zone: "eu-central-1a", Writer: true, Tags: in})
	c.AddDatabase(&Database{Name: "shop-orders-2", Cluster: "shop-orders", Zone: "eu-central-1b", Tags: in})
	targets := map[string]string{}
	for _, t := range c.tasks {
		if t.Service == "api" {
			targets[t.Addr] = "healthy"
		}
	}
	c.AddTargetGroup(&TargetGroup{Name: "shop-api", Tags: in, Targets: targets})
	c.SetAlarm("shop-5xx", "OK")
	c.SetMetric("AWS/ApplicationELB/HTTPCode_Target_5XX_Count", 0)
	return c
}
