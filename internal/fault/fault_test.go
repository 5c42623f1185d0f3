package fault_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"caseload/internal/fault"
)

// constants reads the string constants of a type from the package's own source: the compiler has no list.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	require.NoError(t, err)
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			out = append(out, value)
		}
		return true
	})
	require.NotEmpty(t, out)
	return out
}

func TestListsAreClosed(t *testing.T) {
	t.Parallel()
	var codes, userCodes []string
	for _, c := range fault.Codes {
		codes = append(codes, string(c.Code))
		require.Regexp(t, `^[A-Z][A-Z_]+$`, c.Code)
		require.Regexp(t, `^[A-Z@].*\.$`, c.Meaning, c.Code)
		require.NotEmpty(t, http.StatusText(c.Status), c.Code)
		require.Equal(t, c, c.Code.Info())
	}
	for _, c := range fault.UserCodes {
		userCodes = append(userCodes, string(c.Code))
		require.Regexp(t, `^[A-Z].*\.$`, c.Meaning, c.Code)
	}
	require.Equal(t, constants(t, "Code"), codes, "in one order, each once")
	require.Equal(t, constants(t, "UserCode"), userCodes)
	require.Equal(t, fault.Internal, fault.Code("NEVER_HEARD_OF").Info().Code)
}

func TestErrorKeepsItsCauseForTheLog(t *testing.T) {
	t.Parallel()
	cause := errors.New("no route to 10.0.0.1")
	err := fault.Wrap(fault.Unavailable, cause, "Retry in %d minutes.", 5)
	require.Equal(t, "Retry in 5 minutes.", err.Message)
	require.ErrorIs(t, err, cause)
	require.Equal(t, "UNAVAILABLE: Retry in 5 minutes.: no route to 10.0.0.1", err.Error())
	require.Equal(t, "NOT_FOUND: Not found.", fault.New(fault.NotFound, "Not found.").Error())

	later := err.After(time.Second)
	require.Equal(t, time.Second, later.RetryAfter)
	require.Zero(t, err.RetryAfter, "the original is left alone")
}

func TestCodeOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, fault.Forbidden, fault.CodeOf(fmt.Errorf("read: %w", fault.New(fault.Forbidden, "No."))))
	require.Equal(t, fault.Internal, fault.CodeOf(errors.New("x")))
	require.Equal(t, fault.Internal, fault.CodeOf(nil))
	var none *fault.Error
	require.Equal(t, fault.Internal, fault.CodeOf(none))
}

func TestCheckCollectsAtPaths(t *testing.T) {
	t.Parallel()
	c := fault.NewCheck("input")
	require.True(t, c.OK())
	require.NoError(t, c.Err())
	require.NotNil(t, c.Errors())
	require.Empty(t, c.Errors())

	items := c.At("items")
	first, second := items.Index(0), items.Index(17).At("address", "city")
	first.Add(fault.Required, "Give %s.", "it")
	second.Add(fault.TooLong, "Shorter.")
	c.Add(fault.Invalid, "Wrong.")
	require.False(t, items.OK(), "one list for all paths")
	require.Equal(t, fault.UserErrors{
		{Code: fault.Required, Message: "Give it.", Path: []string{"input", "items", "0"}},
		{Code: fault.TooLong, Message: "Shorter.", Path: []string{"input", "items", "17", "address", "city"}},
		{Code: fault.Invalid, Message: "Wrong.", Path: []string{"input"}},
	}, c.Errors())
	require.True(t, items.Has("0"))
	require.False(t, items.Has("17"), "exactly this field, not what is below it")

	err := fmt.Errorf("sync: %w", c.Err())
	users, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Len(t, users, 3)
	require.Equal(t, "sync: input refused: REQUIRED at input.items.0, TOO_LONG at input.items.17.address.city, INVALID at input", err.Error())
	_, ok = fault.AsUserErrors(errors.New("x"))
	require.False(t, ok)
	_, ok = fault.AsUserErrors(nil)
	require.False(t, ok)
}

// Paths share beginnings; one must not write into another's.
func TestPathsAreOwnCopies(t *testing.T) {
	t.Parallel()
	c := fault.NewCheck("input").At("a", "b", "c")
	left, right := c.At("left"), c.At("right")
	left.Add(fault.Invalid, "x")
	right.Add(fault.Invalid, "x")
	require.Equal(t, "left", c.Errors()[0].Path[4])
	require.Equal(t, "right", c.Errors()[1].Path[4])
}
