package db

import (
	"strings"

	"caseload/internal/fault"
)

// Constraint says what the violation of a constraint means to the person whose input violated it.
type Constraint struct {
	Code    fault.UserCode
	Message string
	// Field is the input field below the mutation's input; "" is the input itself.
	Field string
}

// Constraints maps the named constraints that client input can violate. Input is checked before SQL, so these are for concurrent
// writers and for checks that were forgotten. A test compares the table with the catalogue.
var Constraints = map[string]Constraint{
	"organizations_name_length":               {fault.Invalid, "A name has 1 to 255 characters.", "name"},
	"organizations_is_its_own_tenant":         {fault.Invalid, "An organization is its own tenant.", ""},
	"api_keys_name_length":                    {fault.Invalid, "A name has 1 to 255 characters.", "name"},
	"api_keys_hash_length":                    {fault.Invalid, "The key is not well formed.", ""},
	"customers_reference_id_key":              {fault.Taken, "Another customer has this reference id.", "referenceId"},
	"customers_reference_id_length":           {fault.Invalid, "A reference id has 1 to 255 characters.", "referenceId"},
	"customer_identifiers_key":                {fault.Taken, "Another customer has this identifier.", "identifiers"},
	"customer_identifiers_customer_fkey":      {fault.Missing, "The customer does not exist.", ""},
	"customer_identifiers_source_length":      {fault.Invalid, "A source has 1 to 64 characters.", "source"},
	"customer_identifiers_source_id_length":   {fault.Invalid, "A source id has 1 to 255 characters.", "sourceId"},
	"customer_identifiers_language_length":    {fault.Invalid, "A language tag has at most 35 characters.", "language"},
	"customer_phones_label_key":               {fault.DuplicateInputItem, "A customer has one phone per label.", "phones"},
	"customer_phones_customer_fkey":           {fault.Missing, "The customer does not exist.", ""},
	"customer_phones_label_known":             {fault.Invalid, "Use PRIMARY, HOME, CELL, WORK or OTHER.", "phones"},
	"customer_phones_number_e164":             {fault.Invalid, "Use E.164 form, such as +14155550123.", "phoneNumber"},
	"customer_addresses_label_key":            {fault.DuplicateInputItem, "A customer has one address per label.", "addresses"},
	"customer_addresses_customer_fkey":        {fault.Missing, "The customer does not exist.", ""},
	"customer_addresses_label_known":          {fault.Invalid, "Use PRIMARY, MAILING, WORK or OTHER.", "addresses"},
	"loans_external_id_key":                   {fault.DuplicateInputItem, "A customer has each loan once.", "loanIds"},
	"loans_customer_fkey":                     {fault.Missing, "The customer does not exist.", ""},
	"customers_parent_fkey":                   {fault.Missing, "The parent does not exist.", "parent"},
	"customers_merged_into_fkey":              {fault.Missing, "The customer does not exist.", ""},
	"customers_no_own_parent":                 {fault.Invalid, "A customer is not its own parent.", "parent"},
	"customers_merged_is_deleted":             {fault.InvalidState, "A merged customer is deleted.", ""},
	"customer_profiles_customer_fkey":         {fault.Missing, "The customer does not exist.", ""},
	"customer_coverages_customer_fkey":        {fault.Missing, "The customer does not exist.", ""},
	"customer_medicare_customer_fkey":         {fault.Missing, "The customer does not exist.", ""},
	"customer_households_customer_fkey":       {fault.Missing, "The customer does not exist.", ""},
	"customer_enrollments_customer_fkey":      {fault.Missing, "The customer does not exist.", ""},
	"customer_agents_customer_fkey":           {fault.Missing, "The customer does not exist.", ""},
	"customer_alert_programs_customer_fkey":   {fault.Missing, "The customer does not exist.", ""},
	"customer_alert_programs_dates":           {fault.Invalid, "The enrollment must not end before it starts.", "enrollmentEndDate"},
	"accounts_key":                            {fault.Taken, "Another account has this id in the source system.", "sourceAccountId"},
	"accounts_primary_customer_fkey":          {fault.Missing, "The customer does not exist.", ""},
	"accounts_source_length":                  {fault.Invalid, "A source has 1 to 64 characters.", "source"},
	"accounts_source_account_id_length":       {fault.Invalid, "A source account id has 1 to 255 characters.", "sourceAccountId"},
	"accounts_status_known":                   {fault.Invalid, "Use OPEN or CLOSED.", "status"},
	"accounts_closed_has_date":                {fault.Invalid, "A closed account has a closing date, and an open one has none.", "accountCloseDate"},
	"accounts_closed_after_opened":            {fault.Invalid, "An account is not closed before it is opened.", "accountCloseDate"},
	"account_holders_key":                     {fault.DuplicateInputItem, "An account has each holder once.", "sourceCustomerIds"},
	"account_holders_account_fkey":            {fault.Missing, "The account does not exist.", ""},
	"account_holders_customer_fkey":           {fault.Missing, "The customer does not exist.", ""},
	"cards_key":                               {fault.DuplicateInputItem, "An account has each card once.", "cards"},
	"cards_account_fkey":                      {fault.Missing, "The account does not exist.", ""},
	"cards_customer_fkey":                     {fault.Missing, "The customer does not exist.", ""},
	"cards_iin_form":                          {fault.Invalid, "An issuer identification number has six or eight digits.", "iin"},
	"cards_last_four_form":                    {fault.Invalid, "Give the last four digits.", "last4"},
	"cards_status_known":                      {fault.Invalid, "Use OPEN or CLOSED.", "status"},
	"cards_closed_has_date":                   {fault.Invalid, "A closed card has a closing date, and an open one has none.", "closeDate"},
	"cards_closed_after_opened":               {fault.Invalid, "A card is not closed before it is opened.", "closeDate"},
	"import_rows_request_fkey":                {fault.Missing, "The request does not exist.", ""},
	"import_rows_customer_fkey":               {fault.Missing, "The customer does not exist.", ""},
	"lending_systems_one_per_organization":    {fault.Taken, "The organization has a lending system already.", ""},
	"task_types_name_key":                     {fault.Taken, "Another task type has this name.", "name"},
	"task_types_name_form":                    {fault.Invalid, "A name is 1 to 64 characters: a lower-case letter, then lower-case letters, digits, _ or -.", "name"},
	"task_types_purpose_known":                {fault.Invalid, "Use COLLECTION, SOLICITATION or SERVICING.", "purpose"},
	"task_types_reg_f_mode_known":             {fault.Invalid, "Use ENFORCE, WARN or OFF.", "regulationF"},
	"schedules_customer_task_type_key":        {fault.Taken, "The customer has a schedule of this task type already.", ""},
	"schedules_one_active_key":                {fault.Taken, "The customer has an active schedule already.", ""},
	"schedules_customer_fkey":                 {fault.Missing, "The customer does not exist.", ""},
	"schedules_task_type_fkey":                {fault.Missing, "The task type does not exist.", "taskType"},
	"schedules_status_known":                  {fault.InvalidState, "A schedule has no such status.", ""},
	"call_tasks_customer_fkey":                {fault.Missing, "The customer does not exist.", ""},
	"call_tasks_schedule_fkey":                {fault.Missing, "The schedule does not exist.", ""},
	"call_tasks_state_known":                  {fault.InvalidState, "A call task has no such state.", ""},
	"call_tasks_lease":                        {fault.InvalidState, "Only a claimed call task has a lease.", ""},
	"call_tasks_finished":                     {fault.InvalidState, "Only a finished call task has a time of finishing.", ""},
	"call_attempts_customer_fkey":             {fault.Missing, "The customer does not exist.", ""},
	"call_attempts_direction_known":           {fault.Invalid, "Use OUTBOUND or INBOUND.", "direction"},
	"inconvenient_times_customer_fkey":        {fault.Missing, "The customer does not exist.", "customerId"},
	"state_windows_open_or_closed":            {fault.Invalid, "Give both times, or neither for a closed day.", "opensAt"},
	"organization_windows_key":                {fault.Taken, "This state and day has a window already.", ""},
	"organization_windows_open_or_closed":     {fault.Invalid, "Give both times, or neither for a closed day.", "opensAt"},
	"organization_holidays_key":               {fault.Taken, "This state and date is a holiday already.", "date"},
	"webhook_endpoints_url_length":            {fault.Invalid, "A URL has 1 to 2048 characters.", "url"},
	"webhook_endpoints_events_some":           {fault.Required, "Choose at least one event.", "events"},
	"webhook_endpoints_disabled":              {fault.InvalidState, "An endpoint is enabled, or disabled for a reason.", "isEnabled"},
	"webhook_endpoints_disabled_reason_known": {fault.InvalidState, "An endpoint is disabled for no such reason.", "isEnabled"},
	"webhook_endpoints_previous_secret":       {fault.InvalidState, "A previous secret has a time until which it is valid.", ""},
	"webhook_deliveries_state_known":          {fault.InvalidState, "A delivery has no such state.", ""},
	"webhook_deliveries_pending":              {fault.InvalidState, "Only a pending delivery has a next attempt.", ""},
	"webhook_deliveries_delivered":            {fault.InvalidState, "Only a delivery that arrived has a time of arrival.", ""},
	"goals_name_key":                          {fault.Taken, "Another goal has this name.", "name"},
	"goals_name_length":                       {fault.Invalid, "A name has 1 to 255 characters.", "name"},
	"goals_icon_length":                       {fault.Invalid, "An icon has 1 to 255 characters.", "icon"},
	"bulk_operations_format_known":            {fault.Invalid, "Use JSONL or CSV.", "format"},
	"bulk_operations_state_known":             {fault.InvalidState, "A bulk operation has no such state.", ""},
	"bulk_operations_finished":                {fault.InvalidState, "Only a finished bulk operation has a time of finishing.", ""},
	"bulk_operations_lease":                   {fault.InvalidState, "Only a bulk operation under way is worked on.", ""},
	"bulk_operations_counts":                  {fault.InvalidState, "A bulk operation counts each line once.", ""},
	"bulk_chunks_operation_fkey":              {fault.Missing, "The bulk operation does not exist.", ""},
}

// Refused turns a violated constraint into user errors below path, or returns err as it was. Primary
// keys are not in the table: ids are made by the server, so their violation is a defect.
func Refused(err error, path ...string) error {
	c, ok := Constraints[Violated(err)]
	if !ok {
		return err
	}
	if c.Field != "" {
		path = append(path, strings.Split(c.Field, ".")...)
	}
	return fault.UserErrors{{Code: c.Code, Message: c.Message, Path: path}}
}
