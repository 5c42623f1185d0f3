package webhook

import (
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/schema"
)

// Receivers are told of fields by the names that the schema has for them, whatever the columns are called.
func TestChangedFieldsHaveTheNamesOfTheSchema(t *testing.T) {
	t.Parallel()
	contract, err := schema.Load()
	require.NoError(t, err)
	known := contract.Types["Customer"].Fields
	for _, field := range []string{
		"first_name", "middle_name", "last_name", "email", "birthday", "ssn", "ssn_last_four", "time_zone", "language", "do_not_call", "do_not_sms", "do_not_email",
		"do_not_mail", "is_test", "external_metadata", "reference_id", "debtor_id", "abbreviation", "title", "gender", "parent_id", "parent_source",
		"parent_source_id", "parent_language", "deleted_at", "deleted_by", "merged_into_id", "phone_number", "address", "identifier", "accounts", "holders", "cards",
		"profile", "coverage", "medicare", "household", "enrollment", "agent", "alert_program",
	} {
		names := schemaNames([]string{field})
		require.Len(t, names, 1, field)
		require.NotNil(t, known.ForName(names[0]), "%s is told as %s", field, names[0])
	}
	require.Equal(t, []string{"firstName", "accountHolders"}, schemaNames([]string{"first_name", "merged", "accounts", "holders", "first_name"}))
}
