package identity

import (
	"slices"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"caseload/internal/fault"
	"caseload/internal/input"
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
	at := input.Milliseconds(now.Add(d))
	in.ExpiresAt = graphql.OmittableOf(&at)
}

// fill checks the input against its creator, as a key cannot grant what its creator lacks, and writes it into a new key.
func (in *CreateAPIKeyInput) fill(c *fault.Check, key *APIKey, v *viewer.Viewer, now time.Time) {
	key.Name, key.ExpiresAt = input.Text(c.At("name"), in.Name, 255), in.ExpiresAt.Value()
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
		key.ScopeNames = append(key.ScopeNames, string(s))
	}
	slices.Sort(key.ScopeNames)
	key.ScopeNames = slices.Compact(key.ScopeNames)
	if key.ExpiresAt != nil && !key.ExpiresAt.After(now) {
		c.At("expiresAt").Add(fault.OutOfRange, "A key must expire in the future.")
	}
}

// RevokeAPIKeyInput is what revokeApiKey needs.
type RevokeAPIKeyInput struct {
	ID relay.ID
}
