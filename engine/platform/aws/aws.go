// Package aws is the platform for what runs on AWS: ECS tasks, EC2 instances, ElastiCache nodes and RDS instances, through
// aws-sdk-go-v2. It is configured as every AWS tool is: profiles, SSO, roles, AWS_REGION, AWS_ENDPOINT_URL.
//
// What AWS says may lag behind what it did, so nothing counts as broken, or as put back, before it is seen to be.
package aws

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"gameday/engine/platform"
)

// attempts is how often one call is tried at most, by the SDK's adaptive retries.
const attempts = 6

// Platform is a target in one region of one account.
type Platform struct {
	target    platform.Target
	caller    string
	partition string // aws, aws-cn, aws-us-gov

	calls

	asked atomic.Int64 // calls that were made

	listing sync.Mutex // one listing at a time; who waits shares it
	mu      sync.Mutex // guards what follows
	known   *snapshot
	fresh   time.Duration     // how old known may be
	acted   map[string]done   // by lease
	tags    map[string]tagged // of caches, by ARN: they have to be asked for one by one
}

var (
	_ platform.Platform   = (*Platform)(nil)
	_ platform.Killer     = (*Platform)(nil)
	_ platform.Stopper    = (*Platform)(nil)
	_ platform.Starter    = (*Platform)(nil)
	_ platform.Undoer     = (*Platform)(nil)
	_ platform.Restorer   = (*Platform)(nil)
	_ platform.Controller = (*Platform)(nil)
	_ platform.Network    = (*Platform)(nil)
	_ platform.Resources  = (*Platform)(nil)
	_ platform.Gauger     = (*Platform)(nil)
	_ platform.Warden     = (*Platform)(nil)
	_ platform.Paced      = (*Platform)(nil)
	_ platform.Located    = (*Platform)(nil)
)

// Open finds a target with the credentials that the environment gives. They have to be of the target's account, where it
// names one: what was broken with other credentials is not put back with these.
func Open(ctx context.Context, t platform.Target) (*Platform, error) { return open(ctx, t) }

func open(ctx context.Context, t platform.Target, more ...func(*config.LoadOptions) error) (*Platform, error) {
	p := &Platform{target: t, acted: map[string]done{}, tags: map[string]tagged{}, fresh: time.Second}
	options := append([]func(*config.LoadOptions) error{
		config.WithRetryMode(aws.RetryModeAdaptive), config.WithRetryMaxAttempts(attempts), config.WithAppID("gameday"), config.WithRegion(t.Region),
		config.WithLogger(logging.Nop{}), // what it would say belongs on no screen; errors come back as errors
	}, more...)
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	if cfg.Region == "" {
		return nil, errors.New("no AWS region is set: say region in the runbook's target, or set AWS_REGION")
	}
	cfg.APIOptions = append(cfg.APIOptions, p.counted)
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, explain(err)
	}
	account := aws.ToString(who.Account)
	if t.Account != "" && t.Account != account {
		return nil, fmt.Errorf("these AWS credentials are for the account %s, and the target is in %s: choose others (AWS_PROFILE)", account, t.Account)
	}
	p.target.Region, p.target.Account, p.caller = cfg.Region, account, aws.ToString(who.Arn)
	p.partition = "aws"
	if parts := strings.Split(p.caller, ":"); len(parts) > 1 && parts[1] != "" {
		p.partition = parts[1]
	}
	p.calls = callsOf(cfg)
	return p, nil
}

// counted counts every call, so that watching can hold back where there is much to look at.
func (p *Platform) counted(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("gameday.count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		p.asked.Add(1)
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// explained is an error that has its sentence already.
type explained struct{ error }

func (e explained) Unwrap() error { return e.error }

// explain turns what goes wrong between here and AWS into a sentence with a way out. Doing so again changes nothing.
func explain(err error) error {
	var api smithy.APIError
	var unread *smithy.DeserializationError
	var operation *smithy.OperationError
	var already explained
	switch {
	case err == nil:
		return nil
	case errors.As(err, &already):
		return err
	case code(err, "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure"):
		return explained{fmt.Errorf("AWS does not allow it: %w; gameday aws policy RUNBOOK prints what a runbook needs", err)}
	case code(err, "ExpiredToken", "ExpiredTokenException", "RequestExpired"):
		return explained{fmt.Errorf("the AWS credentials have expired: log in again (aws sso login), or renew them: %w", err)}
	case errors.As(err, &api):
		return err
	case errors.As(err, &unread):
		return explained{fmt.Errorf("what AWS answered cannot be read: %w", err)}
	case !errors.As(err, &operation):
		return err // it is a sentence of our own
	default:
		return explained{fmt.Errorf("AWS cannot be asked: %w; look at the credentials (AWS_PROFILE, aws sso login) and the endpoint", err)}
	}
}

// code reports whether an error is AWS's answer with one of these codes.
func code(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, c := range codes {
		if api.ErrorCode() == c {
			return true
		}
	}
	return false
}

// Target gives the target with its account and region.
func (p *Platform) Target() platform.Target { return p.target }

// Caller is who these credentials are, as an ARN.
func (p *Platform) Caller() string { return p.caller }

// Alias is the account's alias, or its number where it has none: what a person types to confirm.
func (p *Platform) Alias(ctx context.Context) (string, error) {
	out, err := p.iam.ListAccountAliases(ctx, &iam.ListAccountAliasesInput{})
	if err != nil {
		return "", explain(err)
	}
	if len(out.AccountAliases) == 0 {
		return p.target.Account, nil
	}
	return out.AccountAliases[0], nil
}

// Environment gives the variables that runbooks may use; addresses of the system itself come from this process's own.
func (p *Platform) Environment(context.Context) (map[string]string, error) {
	return map[string]string{"AWS_REGION": p.target.Region, "AWS_ACCOUNT": p.target.Account}, nil
}

// Pace gives what AWS takes its time for.
func (p *Platform) Pace() platform.Pace {
	return platform.Pace{Inject: time.Minute, Effect: 3 * time.Minute, Look: look, Undo: backWithin, Whole: 5 * time.Minute}
}

const (
	look = time.Second // between one look at a change and the next
	// settled is for how long something has to be as it was before it counts as put back: an order that was given a moment
	// before may still be on its way.
	settled = 2 * time.Second
)

// await looks until done holds for as long as settled says, or ctx ends; then the error says what was seen last.
func await(ctx context.Context, done func() (bool, string, error)) (string, error) {
	var since time.Time
	for {
		ok, said, err := done()
		switch {
		case err != nil && ctx.Err() == nil && !temporary(err):
			return "", explain(err)
		case err != nil:
			said = err.Error()
			since = time.Time{}
		case !ok:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= settled:
			return said, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("it did not come back in time: %s", said)
		case <-time.After(look):
		}
	}
}

// temporary reports whether AWS may answer otherwise a moment later. A sentence of our own stays true.
func temporary(err error) bool {
	var api smithy.APIError
	var operation *smithy.OperationError
	if !errors.As(err, &operation) {
		return false
	}
	return !errors.As(err, &api) || api.ErrorFault() == smithy.FaultServer || code(err, "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException", "IncorrectInstanceState", "IncorrectState", "ResourceInUseException")
}
