package aws_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	scaling "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	cachetypes "github.com/aws/aws-sdk-go-v2/service/elasticache/types"
	balancing "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	balancingtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"gameday/engine/platform"
	"gameday/engine/platform/aws"
	"gameday/engine/platform/conformance"
)

// emulated makes resources of a target's own at an emulator that somebody else wrote, named by AWS_EMULATOR_URL.
func emulated(t *testing.T) (url string, of platform.Target, hosts []string) {
	t.Helper()
	url = os.Getenv("AWS_EMULATOR_URL")
	if url == "" {
		t.Skip("no AWS emulator of somebody else's is named by AWS_EMULATOR_URL; the same actions are tried on our own endpoint")
	}
	ctx := t.Context()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithBaseEndpoint(url), config.WithRegion("eu-central-1"), config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", "")))
	if err != nil {
		t.Fatal(err)
	}
	name := "gd" + strings.ToLower(rand.Text()[:10])
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	onEC2, onECS, onScaling := ec2.NewFromConfig(cfg), ecs.NewFromConfig(cfg), autoscaling.NewFromConfig(cfg)
	tags := []types.Tag{{Key: sdk.String("project"), Value: &name}, {Key: sdk.String("gameday"), Value: sdk.String("allowed")}}
	subnets, err := onEC2.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
	must(nil, err)
	first := subnets.Subnets[0]
	must(onEC2.CreateTags(ctx, &ec2.CreateTagsInput{Resources: []string{*first.SubnetId}, Tags: tags}))
	must(onECS.CreateCluster(ctx, &ecs.CreateClusterInput{ClusterName: &name}))
	run, err := onEC2.RunInstances(ctx, &ec2.RunInstancesInput{
		ImageId: sdk.String("ami-12c6146b"), MinCount: sdk.Int32(2), MaxCount: sdk.Int32(2), SubnetId: first.SubnetId,
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: append(tags, types.Tag{Key: sdk.String("service"), Value: sdk.String("alone")})}},
	})
	must(nil, err)
	document, _ := json.Marshal(map[string]string{"instanceId": *run.Instances[0].InstanceId, "region": "eu-central-1", "accountId": "123456789012"})
	must(onECS.RegisterContainerInstance(ctx, &ecs.RegisterContainerInstanceInput{Cluster: &name, InstanceIdentityDocument: sdk.String(string(document))}))
	must(onScaling.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: &name, ImageId: sdk.String("ami-12c6146b"), InstanceType: sdk.String("t3.micro")}))
	must(onScaling.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: &name, LaunchConfigurationName: &name, MinSize: sdk.Int32(2), MaxSize: sdk.Int32(4), DesiredCapacity: sdk.Int32(2), AvailabilityZones: []string{"eu-central-1b"},
		Tags: []scaling.Tag{
			{Key: sdk.String("project"), Value: &name, PropagateAtLaunch: sdk.Bool(true), ResourceId: &name, ResourceType: sdk.String("auto-scaling-group")},
			{Key: sdk.String("gameday"), Value: sdk.String("allowed"), PropagateAtLaunch: sdk.Bool(true), ResourceId: &name, ResourceType: sdk.String("auto-scaling-group")},
		},
	}))
	must(elasticache.NewFromConfig(cfg).CreateReplicationGroup(ctx, &elasticache.CreateReplicationGroupInput{
		ReplicationGroupId: &name, ReplicationGroupDescription: &name, Engine: sdk.String("redis"), CacheNodeType: sdk.String("cache.t3.micro"), NumCacheClusters: sdk.Int32(2), AutomaticFailoverEnabled: sdk.Bool(true),
		Tags: []cachetypes.Tag{{Key: sdk.String("project"), Value: &name}, {Key: sdk.String("gameday"), Value: sdk.String("allowed")}},
	}))
	must(rds.NewFromConfig(cfg).CreateDBInstance(ctx, &rds.CreateDBInstanceInput{
		DBInstanceIdentifier: sdk.String(name + "-db"), DBInstanceClass: sdk.String("db.t3.micro"), Engine: sdk.String("postgres"), AllocatedStorage: sdk.Int32(20), MultiAZ: sdk.Bool(true),
		MasterUsername: sdk.String("gameday"), MasterUserPassword: sdk.String("of-an-emulator"), Tags: []rdstypes.Tag{{Key: sdk.String("project"), Value: &name}, {Key: sdk.String("gameday"), Value: sdk.String("allowed")}},
	}))
	onBalancing := balancing.NewFromConfig(cfg)
	targets, err := onBalancing.CreateTargetGroup(ctx, &balancing.CreateTargetGroupInput{Name: &name, Protocol: balancingtypes.ProtocolEnumHttp, Port: sdk.Int32(80), VpcId: first.VpcId, Tags: []balancingtypes.Tag{{Key: sdk.String("gameday"), Value: sdk.String("allowed")}}})
	must(nil, err)
	must(onBalancing.RegisterTargets(ctx, &balancing.RegisterTargetsInput{TargetGroupArn: targets.TargetGroups[0].TargetGroupArn, Targets: []balancingtypes.TargetDescription{
		{Id: run.Instances[0].InstanceId, Port: sdk.Int32(80)}, {Id: run.Instances[1].InstanceId, Port: sdk.Int32(80)},
	}}))
	for _, document := range []string{"Break-" + name, "PutBack-" + name} {
		must(ssm.NewFromConfig(cfg).CreateDocument(ctx, &ssm.CreateDocumentInput{Name: &document, DocumentType: "Command", DocumentFormat: "JSON", Content: sdk.String(`{"schemaVersion":"2.2","description":"d","mainSteps":[{"action":"aws:runShellScript","name":"s","inputs":{"runCommand":["true"]}}]}`)}))
	}
	return url, platform.Target{Platform: "aws", Project: name, Clusters: []string{name}, Tags: map[string]string{"project": name}, OptIn: "gameday=allowed"}, []string{*run.Instances[0].InstanceId, *run.Instances[1].InstanceId}
}

func TestConformanceOnAnEmulator(t *testing.T) {
	url, of, _ := emulated(t)
	open := func(ctx context.Context) (platform.Platform, error) { return aws.OpenAt(ctx, of, url) }
	p, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	one := units(t, p, func(u platform.Unit) bool { return u.Service == "alone" })[0]
	conformance.Run(t, conformance.Target{
		Platform: p, Again: open, Units: []string{one.Name}, One: one.Name, Lacks: []string{"remove", "pause", "logs", "network", "since"},
		Alive: func(t *testing.T, u platform.Unit) bool {
			fresh, err := open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			now := units(t, fresh, named(u.Name))
			return len(now) == 1 && now[0].State == platform.Running
		},
	})
}

func TestActionsOnAnEmulator(t *testing.T) {
	url, of, alone := emulated(t)
	name := of.Project
	open := func() *aws.Platform {
		p, err := aws.OpenAt(t.Context(), of, url)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	member := func(u platform.Unit) bool { return u.Service == name && u.Replaced }
	hosts, zone := units(t, open(), member), units(t, open(), named(alone[0]))[0].Zone
	alarm := map[string][]string{"alarms": {"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:any"}}
	for _, c := range []struct {
		a    platform.Action
		on   func(platform.Unit) bool
		seen string
	}{
		{platform.Action{Kind: "isolate"}, func(u platform.Unit) bool { return u.Zone == zone }, "lets nothing through"},
		{platform.Action{Kind: "deregister", With: map[string]string{"group": name}}, named(alone[1]), alone[1]},
		{platform.Action{Kind: "failover"}, named(name + "-db"), ""},
		{platform.Action{Kind: "drain"}, named(alone[0]), "is DRAINING"},
		{platform.Action{Kind: "document", With: map[string]string{"document": "Break-" + name, "revert": "PutBack-" + name}}, named(alone[1]), "Break-" + name + " on"},
		{platform.Action{Kind: "experiment", With: map[string]string{"action": "aws:ec2:stop-instances", "role": "arn:aws:iam::123456789012:role/fis"}, Lists: alarm}, named(alone[1]), "the experiment"},
		{platform.Action{Kind: "terminate"}, named(hosts[0].Name), hosts[0].Name},
	} {
		t.Run(c.a.Kind, func(t *testing.T) {
			carry(t, open, c.on, c.a, c.seen, func() {}, func(bool) {})
		})
	}
}
