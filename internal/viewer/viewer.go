// Package viewer says who is asking. The transport authenticates once and puts a [Viewer] in the
// context; everything below takes its decisions from it, and SQL takes its scope from [Viewer.OrganizationID].
package viewer

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/relay"
)

// Kind is the kind of principal.
type Kind string

// The kinds of principal (design: Access).
const (
	Anonymous Kind = "ANONYMOUS"
	APIKey    Kind = "API_KEY"
	Staff     Kind = "STAFF"
	Portal    Kind = "PORTAL"
	// System is the server itself: jobs and the command line.
	System Kind = "SYSTEM"
)

// Viewer is an authenticated principal, or nobody. It is immutable after it was put in a context.
type Viewer struct {
	Kind Kind
	// OrganizationID is the tenant; it is zero for Anonymous only.
	OrganizationID uuid.UUID
	// ActorID is the API key or user that acts.
	ActorID uuid.UUID
	// ActorName is what the audit log shows: the key's name, never the key.
	ActorName string
	// Scopes are sorted and unique.
	Scopes []Scope
	// RequestID and IP go to the audit log.
	RequestID string
	IP        string
}

// ActorText is the actor's typed id as rows and the audit log keep it, or "system".
func (v *Viewer) ActorText() string {
	switch v.Kind {
	case APIKey:
		return relay.ID{Prefix: APIKeyPrefix, UUID: v.ActorID}.String()
	case Staff, Portal:
		return relay.ID{Prefix: UserPrefix, UUID: v.ActorID}.String()
	}
	return "system"
}

// The prefixes of the typed ids of actors.
const (
	APIKeyPrefix = "key"
	UserPrefix   = "user"
)

// Scope is whose rows the viewer's statements may see.
func (v *Viewer) Scope() db.Scope { return db.Scope{OrganizationID: v.OrganizationID} }

// Nobody is the viewer of a request without a credential.
var Nobody = &Viewer{Kind: Anonymous}

type contextKey struct{}

// With returns a context that carries the viewer.
func With(ctx context.Context, v *Viewer) context.Context {
	return context.WithValue(ctx, contextKey{}, v)
}

// From returns the viewer of the context, or [Nobody].
func From(ctx context.Context) *Viewer {
	if v, ok := ctx.Value(contextKey{}).(*Viewer); ok {
		return v
	}
	return Nobody
}

// Has reports whether the viewer holds the scope.
func (v *Viewer) Has(s Scope) bool {
	_, ok := slices.BinarySearch(v.Scopes, s)
	return ok
}

// Require returns nil when the viewer holds every scope, UNAUTHENTICATED for nobody, and FORBIDDEN
// naming the missing scopes otherwise.
func (v *Viewer) Require(scopes ...Scope) error {
	if v.Kind == Anonymous {
		return fault.New(fault.Unauthenticated, "Send a valid API key in the X-API-Key header.")
	}
	var missing []string
	for _, s := range scopes {
		if !v.Has(s) {
			missing = append(missing, string(s))
		}
	}
	if len(missing) > 0 {
		e := fault.New(fault.Forbidden, "This needs the scope %s, which the credential does not have.", strings.Join(missing, " and "))
		e.Details = map[string]any{"requiredScopes": missing}
		return e
	}
	return nil
}

// Class is a key that is equal for viewers with the same kind and scopes: what may be cached per
// permission, never per tenant.
func (v *Viewer) Class() string {
	size := len(v.Kind)
	for _, s := range v.Scopes {
		size += 1 + len(s)
	}
	var b strings.Builder
	b.Grow(size)
	b.WriteString(string(v.Kind))
	for _, s := range v.Scopes {
		b.WriteByte(' ')
		b.WriteString(string(s))
	}
	return b.String()
}
