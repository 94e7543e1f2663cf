// Package gameday holds the definition of the bundled stack, so that a binary without the repository carries it.
package gameday

import _ "embed"

// ComposeFile is docker-compose.yml: the bundled orchestrator's services, replicas, dependencies and failure domains.
//
//go:embed docker-compose.yml
var ComposeFile []byte
