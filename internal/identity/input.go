package identity

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/relay"
	"caseload/internal/viewer"
)

// CreateAPIKeyInput is what createApiKey needs.
type CreateAPIKeyInput struct {
	Name      string
	Scopes    []viewer.Scope
	ExpiresAt graphql.Omittable[*time.Time]
}

// ExpireAfter makes the key stop working some time after now.
func (in *CreateAPIKeyInput) ExpireAfter(now time.Time, d time.Duration) {
	at := now.Add(d)
	in.ExpiresAt = graphql.OmittableOf(&at)
}

// Validate checks the input against its creator: a key cannot grant what its creator lacks.
func (in *CreateAPIKeyInput) Validate(c *fault.Check, v *viewer.Viewer, now time.Time) {
	switch n := utf8.RuneCountInString(strings.TrimSpace(in.Name)); {
	case n == 0:
		c.At("name").Add(fault.Blank, "Give the key a name of 1 to 255 characters.")
	case n > 255:
		c.At("name").Add(fault.TooLong, "A name has at most 255 characters.")
	}
	if len(in.Scopes) == 0 {
		c.At("scopes").Add(fault.Required, "Give the key at least one scope.")
	}
	holds := v.Has
	if v.Kind == viewer.System {
		// The command line holds every scope, and no other.
		all := viewer.AllScopes()
		holds = func(s viewer.Scope) bool { return slices.Contains(all, s) }
	}
	for i, s := range in.Scopes {
		if !holds(s) {
			c.At("scopes").Index(i).Add(fault.NotAllowed, "A key cannot grant a scope that its creator lacks.")
		}
	}
	if at := in.ExpiresAt.Value(); at != nil && !at.After(now) {
		c.At("expiresAt").Add(fault.OutOfRange, "A key must expire in the future.")
	}
}

// RevokeAPIKeyInput is what revokeApiKey needs.
type RevokeAPIKeyInput struct {
	ID relay.ID
}
