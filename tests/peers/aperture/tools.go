//go:build tools

package tools

import (
	_ "github.com/lightninglabs/aperture/cmd/aperture"
)
