package customertest_test

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/fault"
	"caseload/internal/graphtest"
)

// One number that the database refuses would take every other row of its batch with it.
func TestNumbersOfMetadata(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	person := w.Harbor.Person(t)
	taken := func(number string) bool {
		var text string
		return w.Pool.Get(t.Context(), &text, `SELECT CAST($1 AS jsonb)::text`, `{"x":[`+number+`]}`) == nil
	}
	code := func(number string) fault.UserCode {
		metadata := db.JSON(`{"x":[` + number + `]}`)
		_, err := w.Customers.Update(t.Context(), w.Harbor.System, customer.UpdateInput{ID: person.Customer.ID(), ExternalMetadata: graphql.OmittableOf(metadata)})
		if err == nil {
			return ""
		}
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok, "%v", err)
		require.Len(t, errs, 1)
		return errs[0].Code
	}
	zeros := strings.Repeat("0", 20_000)
	for number, want := range map[string]fault.UserCode{
		"0": "", "-0": "", "1.50": "", "-12.5e-3": "", "1e308": "", "-1.7976931348623157e308": "", "5e-324": "", "0e300": "", "2.2250738585072014E-308": "",
		"0." + zeros[:1073] + "1": "", "1" + zeros[:308] + "." + zeros[:1074]: "",
		"1e309": fault.OutOfRange, "-1e400": fault.OutOfRange, "1" + zeros: fault.OutOfRange,
		"1e-20000": fault.OutOfRange, "0e-20000": fault.OutOfRange, "-1e-16384": fault.OutOfRange, "1e-99999999999": fault.OutOfRange, "0e99999999999": fault.OutOfRange, "0e131073": fault.OutOfRange,
		"0." + zeros + "1": fault.OutOfRange, "1." + zeros: fault.OutOfRange, "1" + zeros[:300] + "e-20000": fault.OutOfRange, "0." + zeros + "1e20000": "",
		"1" + zeros + "e-19990": fault.OutOfRange,
	} {
		require.Equal(t, want, code(number), "%.40s (%d)", number, len(number))
		if want == "" {
			require.True(t, taken(number), "%.40s (%d)", number, len(number))
		}
	}
	require.False(t, taken("1e-20000"), "this is why")
	require.False(t, taken("1."+zeros))

	rapid.Check(t, func(r *rapid.T) {
		number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,6})?`).Draw(r, "number")
		if code(number) == "" && !taken(number) {
			r.Fatalf("the check takes %s, and PostgreSQL does not", number)
		}
	})
}
