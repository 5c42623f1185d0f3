package fault

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// UserError is one thing that is wrong with an input: what, where, and what would be right.
// It is bound to the GraphQL type UserError as it is; its JSON is the same wherever it is written.
type UserError struct {
	Code    UserCode `json:"code"`
	Message string   `json:"message"`
	// Path leads from the argument to the value, list indexes included: ["input", "items", "17", "email"].
	Path []string `json:"path"`
}

// UserErrors is a list of user errors as an error: a domain function that returns it has written nothing.
type UserErrors []*UserError

// Error joins the codes and paths; messages stay out, as they are for the person, not for the log.
func (u UserErrors) Error() string {
	parts := make([]string, len(u))
	for i, e := range u {
		parts[i] = string(e.Code) + " at " + strings.Join(e.Path, ".")
	}
	return "input refused: " + strings.Join(parts, ", ")
}

// Payload is embedded by what a mutation returns where that is its GraphQL payload as it is.
type Payload struct {
	UserErrors []*UserError
}

// Refuse says what was wrong.
func (p *Payload) Refuse(errs []*UserError) { p.UserErrors = errs }

// AsUserErrors returns the user errors in the chain of err, and whether there were any.
func AsUserErrors(err error) (UserErrors, bool) {
	return errors.AsType[UserErrors](err)
}

// Check collects user errors below one path, so that a client learns all of them at once.
// The zero value is ready; copies made by [Check.At] and [Check.Index] collect into the same list.
type Check struct {
	errs *UserErrors
	path []string
}

// NewCheck starts a collection at the given path, usually "input".
func NewCheck(path ...string) *Check {
	return &Check{errs: &UserErrors{}, path: append([]string{}, path...)}
}

// At returns a Check for a field below this one.
func (c *Check) At(field ...string) *Check {
	path := make([]string, 0, len(c.path)+len(field))
	return &Check{errs: c.errs, path: append(append(path, c.path...), field...)}
}

// Index returns a Check for an element of the list at this path.
func (c *Check) Index(i int) *Check { return c.At(strconv.Itoa(i)) }

// Add records an error at this path. The message says what would be right and never repeats the value.
func (c *Check) Add(code UserCode, format string, args ...any) {
	*c.errs = append(*c.errs, &UserError{Code: code, Message: fmt.Sprintf(format, args...), Path: c.path})
}

// Copy returns a Check at the same path that starts with what was recorded so far and collects apart.
func (c *Check) Copy() *Check {
	errs := slices.Clone(*c.errs)
	if errs == nil {
		errs = UserErrors{}
	}
	return &Check{errs: &errs, path: c.path}
}

// Has reports whether something was recorded at exactly this field below the path.
func (c *Check) Has(field string) bool {
	return slices.ContainsFunc(*c.errs, func(e *UserError) bool { return slices.Equal(e.Path, c.At(field).path) })
}

// OK reports whether nothing has been recorded, at any path of the collection.
func (c *Check) OK() bool { return len(*c.errs) == 0 }

// Errors returns what was recorded; it is empty, not nil, when nothing was.
func (c *Check) Errors() UserErrors { return *c.errs }

// Err returns the collection as an error, or nil when nothing was recorded.
func (c *Check) Err() error {
	if c.OK() {
		return nil
	}
	return *c.errs
}
