package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"gameday/engine/platform"
)

// OpenAt opens a target at an endpoint, whatever the environment says.
func OpenAt(ctx context.Context, t platform.Target, url string) (*Platform, error) {
	return open(ctx, t, config.WithBaseEndpoint(url), config.WithRegion("eu-central-1"), config.WithSharedConfigFiles(nil), config.WithSharedCredentialsFiles(nil),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", "")))
}
