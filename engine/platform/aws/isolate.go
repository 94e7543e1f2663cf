package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"gameday/engine/platform"
)

// subnet is one that is isolated, with the network ACL that it has.
type subnet struct{ id, vpc, zone, acl, association string }

// subnets gives those that an action is for: the ones that it names, or all of the target's in the zones of the units.
func (p *Platform) subnets(ctx context.Context, on []resource, a platform.Action) ([]subnet, error) {
	in := &ec2.DescribeSubnetsInput{SubnetIds: a.Lists["subnets"]}
	if len(in.SubnetIds) == 0 {
		zones := map[string]bool{}
		for _, r := range on {
			zones[r.Zone] = true
		}
		in.Filters = []types.Filter{{Name: aws.String("availability-zone"), Values: slices.Sorted(maps.Keys(zones))}}
		for key, value := range p.target.Tags {
			in.Filters = append(in.Filters, types.Filter{Name: aws.String("tag:" + key), Values: []string{value}})
		}
	}
	out, err := p.ec2.DescribeSubnets(ctx, in)
	if err != nil {
		return nil, err
	}
	var all []subnet
	for _, s := range out.Subnets {
		if why := p.closed(tagsOf(s.Tags)); why != "" {
			return nil, fmt.Errorf("the subnet %s %s", aws.ToString(s.SubnetId), why)
		}
		all = append(all, subnet{id: aws.ToString(s.SubnetId), vpc: aws.ToString(s.VpcId), zone: aws.ToString(s.AvailabilityZone)})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no subnet in the zones of the selected units bears the target's tags (%v); tag them, or name subnets", p.target.Tags)
	}
	return all, p.associations(ctx, all)
}

// associations looks which network ACL each subnet has.
func (p *Platform) associations(ctx context.Context, all []subnet) error {
	var ids []string
	for _, s := range all {
		ids = append(ids, s.id)
	}
	out, err := p.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{{Name: aws.String("association.subnet-id"), Values: ids}}})
	if err != nil {
		return err
	}
	for _, acl := range out.NetworkAcls {
		for _, a := range acl.Associations {
			if i := slices.IndexFunc(all, func(s subnet) bool { return s.id == aws.ToString(a.SubnetId) }); i >= 0 {
				all[i].acl, all[i].association = aws.ToString(a.NetworkAclId), aws.ToString(a.NetworkAclAssociationId)
			}
		}
	}
	for _, s := range all {
		if s.association == "" {
			return fmt.Errorf("the network ACL of the subnet %s cannot be told", s.id)
		}
	}
	return nil
}

func (p *Platform) beforeIsolate(ctx context.Context, on []resource, a platform.Action) ([]platform.Step, error) {
	if len(p.target.Services) > 0 {
		return nil, errors.New("a subnet is cut off for whoever is in it, and only some services are looked at: leave target.services out")
	}
	all, err := p.subnets(ctx, on, a)
	if err != nil {
		return nil, err
	}
	seen, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	with := map[string]string{}
	for _, s := range all {
		with[s.id] = s.acl
		for _, r := range seen.resources { // whoever is cut off belongs into the plan
			if slices.Contains(r.subnets, s.id) && r.State == platform.Running && !slices.ContainsFunc(on, func(o resource) bool { return o.Name == r.Name || o.Name == r.Host }) {
				return nil, fmt.Errorf("%s is in the subnet %s too, and is not selected: select the zone %s", r.Name, s.id, s.zone)
			}
		}
		_, err := p.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: &s.association, NetworkAclId: &s.acl, DryRun: aws.Bool(true)})
		if err := dry(err); err != nil {
			return nil, err
		}
	}
	out, err := p.ec2.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{VpcId: &all[0].vpc, DryRun: aws.Bool(true)})
	if err := dry(err); err != nil {
		return nil, err
	}
	if out != nil && out.NetworkAcl != nil { // an emulator took it in earnest
		if _, err := p.ec2.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: out.NetworkAcl.NetworkAclId}); err != nil {
			return nil, err
		}
	}
	return []platform.Step{{Unit: on[0].Name, With: with}}, nil
}

// isolate gives the subnets a network ACL without a rule: it denies everything, both ways.
func (p *Platform) isolate(ctx context.Context, on []resource, a platform.Action) error {
	all, err := p.subnets(ctx, on, a)
	if err != nil {
		return err
	}
	made := map[string]string{}
	for _, s := range all {
		if made[s.vpc] == "" {
			out, err := p.ec2.CreateNetworkAcl(ctx, &ec2.CreateNetworkAclInput{
				VpcId: &s.vpc, ClientToken: aws.String(a.Lease + "-" + s.vpc),
				TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeNetworkAcl, Tags: []types.Tag{
					{Key: aws.String(leaseTag), Value: &a.Lease}, {Key: aws.String("Name"), Value: aws.String("gameday isolates " + s.vpc)},
				}}},
			})
			if err != nil {
				return err
			}
			made[s.vpc] = aws.ToString(out.NetworkAcl.NetworkAclId)
		}
		acl := made[s.vpc]
		if _, err := p.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: &s.association, NetworkAclId: &acl}); err != nil {
			return err
		}
	}
	return nil
}

// ours lists the network ACLs that were made for a lease.
func (p *Platform) ours(ctx context.Context, lease string) ([]types.NetworkAcl, error) {
	out, err := p.ec2.DescribeNetworkAcls(ctx, &ec2.DescribeNetworkAclsInput{Filters: []types.Filter{{Name: aws.String("tag:" + leaseTag), Values: []string{lease}}}})
	if err != nil {
		return nil, err
	}
	return out.NetworkAcls, nil
}

func (p *Platform) seenIsolated(ctx context.Context, on []resource, a platform.Action) (string, error) {
	all, err := p.subnets(ctx, on, a)
	if err != nil {
		return "", err
	}
	acls, err := p.ours(ctx, a.Lease)
	if err != nil {
		return "", err
	}
	return told(all, func(s subnet) (string, error) {
		if !slices.ContainsFunc(acls, func(acl types.NetworkAcl) bool { return aws.ToString(acl.NetworkAclId) == s.acl }) {
			return "", fmt.Errorf("the subnet %s has the network ACL %s", s.id, s.acl)
		}
		return fmt.Sprintf("the subnet %s has the network ACL %s, which lets nothing through", s.id, s.acl), nil
	})
}

// restoreSubnets gives every subnet the network ACL back that it had, and removes ours. Whatever does not bear the lease's
// tag is left as it is.
func (p *Platform) restoreSubnets(ctx context.Context, s platform.Step) (string, error) {
	var had []string
	for _, id := range slices.Sorted(maps.Keys(s.With)) {
		if strings.HasPrefix(id, "subnet-") {
			had = append(had, id+" has "+s.With[id])
		}
	}
	back := "as before: " + strings.Join(had, ", ")
	return await(ctx, func() (bool, string, error) {
		acls, err := p.ours(ctx, s.Lease)
		if err != nil {
			return false, "", err
		}
		for _, acl := range acls {
			for _, a := range acl.Associations {
				was, known := s.With[aws.ToString(a.SubnetId)]
				if !known {
					return false, "", errors.New("the subnet " + aws.ToString(a.SubnetId) + " has the network ACL of the fault, and nothing says which it had before")
				}
				if _, err := p.ec2.ReplaceNetworkAclAssociation(ctx, &ec2.ReplaceNetworkAclAssociationInput{AssociationId: a.NetworkAclAssociationId, NetworkAclId: &was}); err != nil {
					return false, "", err
				}
			}
			if _, err := p.ec2.DeleteNetworkAcl(ctx, &ec2.DeleteNetworkAclInput{NetworkAclId: acl.NetworkAclId}); err != nil && !code(err, "InvalidNetworkAclID.NotFound", "InvalidNetworkAcl.InUse", "DependencyViolation") {
				return false, "", err
			}
		}
		return len(acls) == 0, back, nil
	})
}

func manualSubnets(with map[string]string, at string) string {
	var commands []string
	for _, id := range slices.Sorted(maps.Keys(with)) {
		if strings.HasPrefix(id, "subnet-") {
			commands = append(commands, fmt.Sprintf("aws ec2 replace-network-acl-association%s --network-acl-id %s --association-id $(aws ec2 describe-network-acls%s --filters Name=association.subnet-id,Values=%s --query \"NetworkAcls[].Associations[?SubnetId=='%s'].NetworkAclAssociationId\" --output text)", at, with[id], at, id, id))
		}
	}
	return strings.Join(commands, " && ")
}
