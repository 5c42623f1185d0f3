package httpapi

import (
	"fmt"

	"caseload/internal/fault"
	"caseload/internal/viewer"
)

// Introspection says who may read the schema through `__schema` and `__type`. Callers without a
// credential never may; `__typename` is always open.
type Introspection string

// The settings of introspection.
const (
	// IntrospectionOpen is for development: every credential may.
	IntrospectionOpen Introspection = "open"
	// IntrospectionScoped is the default: credentials with the DIAGNOSTICS scope may.
	IntrospectionScoped Introspection = "scoped"
	// IntrospectionClosed refuses everybody.
	IntrospectionClosed Introspection = "closed"
)

// UnmarshalText reads a setting from configuration; the error lists what is valid.
func (i *Introspection) UnmarshalText(text []byte) error {
	switch v := Introspection(text); v {
	case IntrospectionOpen, IntrospectionScoped, IntrospectionClosed:
		*i = v
		return nil
	default:
		return fmt.Errorf("introspection must be %s, %s or %s", IntrospectionOpen, IntrospectionScoped, IntrospectionClosed)
	}
}

// check returns why the viewer may not read the schema, or nil. Unknown settings refuse everybody.
func (i Introspection) check(v *viewer.Viewer) *fault.Error {
	switch {
	case i == IntrospectionClosed:
		return fault.New(fault.IntrospectionOff, "Introspection is closed on this server. Use the published schema file.")
	case v.Kind == viewer.Anonymous:
		return fault.New(fault.IntrospectionOff, "Introspection needs a credential. Send an API key in the X-API-Key header.")
	case i == IntrospectionOpen, (i == IntrospectionScoped || i == "") && v.Has(viewer.Diagnostics):
		return nil
	}
	return fault.New(fault.IntrospectionOff, "Introspection needs the scope %s. Use the published schema file, or a key with that scope.", viewer.Diagnostics)
}
