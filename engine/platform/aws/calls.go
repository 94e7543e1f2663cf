package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticache"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// call is one operation of an AWS service.
type call[In, Out, Options any] func(context.Context, *In, ...func(*Options)) (*Out, error)

// calls are the operations that are made. They are kept by themselves, not as the SDK's clients: whatever holds those keeps the
// code of each of their operations in the program, and EC2 alone has hundreds.
type calls struct {
	ecs struct {
		DescribeContainerInstances    call[ecs.DescribeContainerInstancesInput, ecs.DescribeContainerInstancesOutput, ecs.Options]
		DescribeServices              call[ecs.DescribeServicesInput, ecs.DescribeServicesOutput, ecs.Options]
		DescribeTasks                 call[ecs.DescribeTasksInput, ecs.DescribeTasksOutput, ecs.Options]
		ListContainerInstances        call[ecs.ListContainerInstancesInput, ecs.ListContainerInstancesOutput, ecs.Options]
		ListServices                  call[ecs.ListServicesInput, ecs.ListServicesOutput, ecs.Options]
		ListTasks                     call[ecs.ListTasksInput, ecs.ListTasksOutput, ecs.Options]
		StopTask                      call[ecs.StopTaskInput, ecs.StopTaskOutput, ecs.Options]
		UpdateContainerInstancesState call[ecs.UpdateContainerInstancesStateInput, ecs.UpdateContainerInstancesStateOutput, ecs.Options]
		UpdateService                 call[ecs.UpdateServiceInput, ecs.UpdateServiceOutput, ecs.Options]
	}
	ec2 struct {
		CreateNetworkAcl             call[ec2.CreateNetworkAclInput, ec2.CreateNetworkAclOutput, ec2.Options]
		DeleteNetworkAcl             call[ec2.DeleteNetworkAclInput, ec2.DeleteNetworkAclOutput, ec2.Options]
		DescribeInstances            call[ec2.DescribeInstancesInput, ec2.DescribeInstancesOutput, ec2.Options]
		DescribeNetworkAcls          call[ec2.DescribeNetworkAclsInput, ec2.DescribeNetworkAclsOutput, ec2.Options]
		DescribeSubnets              call[ec2.DescribeSubnetsInput, ec2.DescribeSubnetsOutput, ec2.Options]
		ReplaceNetworkAclAssociation call[ec2.ReplaceNetworkAclAssociationInput, ec2.ReplaceNetworkAclAssociationOutput, ec2.Options]
		StartInstances               call[ec2.StartInstancesInput, ec2.StartInstancesOutput, ec2.Options]
		StopInstances                call[ec2.StopInstancesInput, ec2.StopInstancesOutput, ec2.Options]
	}
	autoscaling struct {
		CancelInstanceRefresh               call[autoscaling.CancelInstanceRefreshInput, autoscaling.CancelInstanceRefreshOutput, autoscaling.Options]
		DescribeAutoScalingGroups           call[autoscaling.DescribeAutoScalingGroupsInput, autoscaling.DescribeAutoScalingGroupsOutput, autoscaling.Options]
		DescribeInstanceRefreshes           call[autoscaling.DescribeInstanceRefreshesInput, autoscaling.DescribeInstanceRefreshesOutput, autoscaling.Options]
		StartInstanceRefresh                call[autoscaling.StartInstanceRefreshInput, autoscaling.StartInstanceRefreshOutput, autoscaling.Options]
		TerminateInstanceInAutoScalingGroup call[autoscaling.TerminateInstanceInAutoScalingGroupInput, autoscaling.TerminateInstanceInAutoScalingGroupOutput, autoscaling.Options]
	}
	balancing struct {
		DeregisterTargets    call[elasticloadbalancingv2.DeregisterTargetsInput, elasticloadbalancingv2.DeregisterTargetsOutput, elasticloadbalancingv2.Options]
		DescribeTags         call[elasticloadbalancingv2.DescribeTagsInput, elasticloadbalancingv2.DescribeTagsOutput, elasticloadbalancingv2.Options]
		DescribeTargetGroups call[elasticloadbalancingv2.DescribeTargetGroupsInput, elasticloadbalancingv2.DescribeTargetGroupsOutput, elasticloadbalancingv2.Options]
		DescribeTargetHealth call[elasticloadbalancingv2.DescribeTargetHealthInput, elasticloadbalancingv2.DescribeTargetHealthOutput, elasticloadbalancingv2.Options]
		RegisterTargets      call[elasticloadbalancingv2.RegisterTargetsInput, elasticloadbalancingv2.RegisterTargetsOutput, elasticloadbalancingv2.Options]
	}
	cache struct {
		DescribeEvents            call[elasticache.DescribeEventsInput, elasticache.DescribeEventsOutput, elasticache.Options]
		DescribeReplicationGroups call[elasticache.DescribeReplicationGroupsInput, elasticache.DescribeReplicationGroupsOutput, elasticache.Options]
		ListTagsForResource       call[elasticache.ListTagsForResourceInput, elasticache.ListTagsForResourceOutput, elasticache.Options]
		TestFailover              call[elasticache.TestFailoverInput, elasticache.TestFailoverOutput, elasticache.Options]
	}
	rds struct {
		DescribeDBClusters  call[rds.DescribeDBClustersInput, rds.DescribeDBClustersOutput, rds.Options]
		DescribeDBInstances call[rds.DescribeDBInstancesInput, rds.DescribeDBInstancesOutput, rds.Options]
		DescribeEvents      call[rds.DescribeEventsInput, rds.DescribeEventsOutput, rds.Options]
		FailoverDBCluster   call[rds.FailoverDBClusterInput, rds.FailoverDBClusterOutput, rds.Options]
		RebootDBInstance    call[rds.RebootDBInstanceInput, rds.RebootDBInstanceOutput, rds.Options]
	}
	cloudwatch struct {
		DescribeAlarms call[cloudwatch.DescribeAlarmsInput, cloudwatch.DescribeAlarmsOutput, cloudwatch.Options]
		GetMetricData  call[cloudwatch.GetMetricDataInput, cloudwatch.GetMetricDataOutput, cloudwatch.Options]
	}
	ssm struct {
		CancelCommand        call[ssm.CancelCommandInput, ssm.CancelCommandOutput, ssm.Options]
		DescribeDocument     call[ssm.DescribeDocumentInput, ssm.DescribeDocumentOutput, ssm.Options]
		GetCommandInvocation call[ssm.GetCommandInvocationInput, ssm.GetCommandInvocationOutput, ssm.Options]
		ListCommands         call[ssm.ListCommandsInput, ssm.ListCommandsOutput, ssm.Options]
		SendCommand          call[ssm.SendCommandInput, ssm.SendCommandOutput, ssm.Options]
	}
	fis struct {
		CreateExperimentTemplate call[fis.CreateExperimentTemplateInput, fis.CreateExperimentTemplateOutput, fis.Options]
		GetExperiment            call[fis.GetExperimentInput, fis.GetExperimentOutput, fis.Options]
		DeleteExperimentTemplate call[fis.DeleteExperimentTemplateInput, fis.DeleteExperimentTemplateOutput, fis.Options]
		GetExperimentTemplate    call[fis.GetExperimentTemplateInput, fis.GetExperimentTemplateOutput, fis.Options]
		ListExperimentTemplates  call[fis.ListExperimentTemplatesInput, fis.ListExperimentTemplatesOutput, fis.Options]
		ListExperiments          call[fis.ListExperimentsInput, fis.ListExperimentsOutput, fis.Options]
		StartExperiment          call[fis.StartExperimentInput, fis.StartExperimentOutput, fis.Options]
		StopExperiment           call[fis.StopExperimentInput, fis.StopExperimentOutput, fis.Options]
	}
	iam struct {
		ListAccountAliases call[iam.ListAccountAliasesInput, iam.ListAccountAliasesOutput, iam.Options]
	}
}

func callsOf(cfg aws.Config) (c calls) {
	onECS := ecs.NewFromConfig(cfg)
	onEC2 := ec2.NewFromConfig(cfg)
	onScaling := autoscaling.NewFromConfig(cfg)
	onBalancing := elasticloadbalancingv2.NewFromConfig(cfg)
	onCache := elasticache.NewFromConfig(cfg)
	onRDS := rds.NewFromConfig(cfg)
	onWatch := cloudwatch.NewFromConfig(cfg)
	onSSM := ssm.NewFromConfig(cfg)
	onFIS := fis.NewFromConfig(cfg)
	onIAM := iam.NewFromConfig(cfg)
	c.ecs.DescribeContainerInstances = onECS.DescribeContainerInstances
	c.ecs.DescribeServices = onECS.DescribeServices
	c.ecs.DescribeTasks = onECS.DescribeTasks
	c.ecs.ListContainerInstances = onECS.ListContainerInstances
	c.ecs.ListServices = onECS.ListServices
	c.ecs.ListTasks = onECS.ListTasks
	c.ecs.StopTask = onECS.StopTask
	c.ecs.UpdateContainerInstancesState = onECS.UpdateContainerInstancesState
	c.ecs.UpdateService = onECS.UpdateService
	c.ec2.CreateNetworkAcl = onEC2.CreateNetworkAcl
	c.ec2.DeleteNetworkAcl = onEC2.DeleteNetworkAcl
	c.ec2.DescribeInstances = onEC2.DescribeInstances
	c.ec2.DescribeNetworkAcls = onEC2.DescribeNetworkAcls
	c.ec2.DescribeSubnets = onEC2.DescribeSubnets
	c.ec2.ReplaceNetworkAclAssociation = onEC2.ReplaceNetworkAclAssociation
	c.ec2.StartInstances = onEC2.StartInstances
	c.ec2.StopInstances = onEC2.StopInstances
	c.autoscaling.CancelInstanceRefresh = onScaling.CancelInstanceRefresh
	c.autoscaling.DescribeAutoScalingGroups = onScaling.DescribeAutoScalingGroups
	c.autoscaling.DescribeInstanceRefreshes = onScaling.DescribeInstanceRefreshes
	c.autoscaling.StartInstanceRefresh = onScaling.StartInstanceRefresh
	c.autoscaling.TerminateInstanceInAutoScalingGroup = onScaling.TerminateInstanceInAutoScalingGroup
	c.balancing.DeregisterTargets = onBalancing.DeregisterTargets
	c.balancing.DescribeTags = onBalancing.DescribeTags
	c.balancing.DescribeTargetGroups = onBalancing.DescribeTargetGroups
	c.balancing.DescribeTargetHealth = onBalancing.DescribeTargetHealth
	c.balancing.RegisterTargets = onBalancing.RegisterTargets
	c.cache.DescribeEvents = onCache.DescribeEvents
	c.cache.DescribeReplicationGroups = onCache.DescribeReplicationGroups
	c.cache.ListTagsForResource = onCache.ListTagsForResource
	c.cache.TestFailover = onCache.TestFailover
	c.rds.DescribeDBClusters = onRDS.DescribeDBClusters
	c.rds.DescribeDBInstances = onRDS.DescribeDBInstances
	c.rds.DescribeEvents = onRDS.DescribeEvents
	c.rds.FailoverDBCluster = onRDS.FailoverDBCluster
	c.rds.RebootDBInstance = onRDS.RebootDBInstance
	c.cloudwatch.DescribeAlarms = onWatch.DescribeAlarms
	c.cloudwatch.GetMetricData = onWatch.GetMetricData
	c.ssm.CancelCommand = onSSM.CancelCommand
	c.ssm.DescribeDocument = onSSM.DescribeDocument
	c.ssm.GetCommandInvocation = onSSM.GetCommandInvocation
	c.ssm.ListCommands = onSSM.ListCommands
	c.ssm.SendCommand = onSSM.SendCommand
	c.fis.CreateExperimentTemplate = onFIS.CreateExperimentTemplate
	c.fis.GetExperiment = onFIS.GetExperiment
	c.fis.DeleteExperimentTemplate = onFIS.DeleteExperimentTemplate
	c.fis.GetExperimentTemplate = onFIS.GetExperimentTemplate
	c.fis.ListExperimentTemplates = onFIS.ListExperimentTemplates
	c.fis.ListExperiments = onFIS.ListExperiments
	c.fis.StartExperiment = onFIS.StartExperiment
	c.fis.StopExperiment = onFIS.StopExperiment
	c.iam.ListAccountAliases = onIAM.ListAccountAliases
	return c
}

// errNone says that something that was asked for by its name is not there.
var errNone = errors.New("there is no")

// first gives the one thing that was asked for by its name.
func first[T any](found []T, what string) (one T, err error) {
	if len(found) == 0 {
		return one, fmt.Errorf("%w %s", errNone, what)
	}
	return found[0], nil
}

// told asks about each of several things and joins what is said; the first that speaks against it is the error.
func told[T any](all []T, ask func(T) (string, error)) (string, error) {
	said := make([]string, len(all))
	for i, one := range all {
		var err error
		if said[i], err = ask(one); err != nil {
			return "", err
		}
	}
	return strings.Join(said, "; "), nil
}

// pages asks for one page after another. each takes a page and gives the token of the next; token is where the request has it.
func pages[In, Out, Options any](ctx context.Context, ask call[In, Out, Options], in *In, token **string, each func(*Out) (next *string)) error {
	for {
		out, err := ask(ctx, in)
		if err != nil {
			return err
		}
		next := each(out)
		if aws.ToString(next) == "" {
			return nil
		}
		*token = next
	}
}
