package customertest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"caseload/internal/graphtest"
)

const updateDocument = `
	mutation Update($input: UpdateCustomerInput!) {
		updateCustomer(input: $input) {
			customer { ...All }
			userErrors { code path message }
		}
	}` + allOfACustomer

const readDocument = `query Read($id: ID!) { customer(id: $id) { ...All } }` + allOfACustomer

const allOfACustomer = `
	fragment All on Customer {
		version updatedAt referenceId debtorId firstName middleName lastName abbreviation title gender birthday ssnProvided ssnLastFour email language timeZone
		primaryPhone { number lineType } primaryAddress { line1 line2 city county state postalCode country }
		doNotCall doNotSms doNotEmail doNotMail isTest externalMetadata
		profile { status qualificationStatus intent isDecisionMaker disqualificationReason productInterest productFamily salutation suffix preferredName
			ethnicity maritalStatus clientCustomerId currentSourceId originalSourceId lastContactedAt convertedAt }
		coverage { existingCoverage planName carrier desiredStartOn }
		medicare { mbiProvided mbiLastFour hasCard partAOn partBOn hasMedicaid medicaidNumberProvided hasDisabilityBenefits isVeteran vaNumberProvided healthSherpaCustomerId }
		household { householdIncome annualIncome filingStatus dependentCount subsidyAmount isSubsidyEligible }
		enrollment { memberId carrierName planName planCode enrolledOn effectiveOn carrierAssignedCustomerId }
		agent { name npn }
	}`

// field is one field of UpdateCustomerInput with what may be done with it.
type field struct {
	// in leads to the field in the input, out to what is read.
	in, out string
	// send are values that are taken, and want what is read then; nil is what was sent.
	send, want []any
	// cleared is what is read after null; required tells that null is refused.
	cleared  any
	required bool
	// mark tells that null is false: the mark is taken away.
	mark bool
	// limit is how many code points a text may have, 0 for no text; form tells that not every text will do.
	limit int
	form  bool
	// wrong are values of the right type that are refused with this code at the field.
	wrong []any
	code  string
	// alien are values of a wrong type, which GraphQL refuses.
	alien []any
}

func textField(in, out string, limit int) field {
	return field{in: in, out: out, limit: limit, send: []any{"Some text", " an other "}, want: []any{"Some text", "an other"},
		wrong: []any{"", "   ", "a\x00b"}, alien: []any{map[string]any{"a": 1}, []any{"a", "b"}, true}}
}

func flagField(in, out string) field {
	return field{in: in, out: out, send: []any{true, false}, alien: []any{"yes", 1, map[string]any{}}}
}

func markField(in, out string) field {
	f := flagField(in, out)
	f.send, f.mark = []any{false, true}, true
	return f
}

func intField(in, out string, wrong ...any) field {
	f := field{in: in, out: out, send: []any{float64(2147483647), float64(7)}, wrong: wrong, code: "OUT_OF_RANGE",
		alien: []any{"x", true, 2147483648, -2147483649, 1.5, map[string]any{}}}
	if len(wrong) == 0 {
		f.send = append(f.send, float64(-2147483648))
	}
	return f
}

func dateField(in, out string) field {
	return field{in: in, out: out, send: []any{"2026-02-28", "2024-02-29"}, alien: []any{"2026-02-29", "02/28/2026", "2026-02-28T00:00:00Z", "", 20260228, true}}
}

func pastField(in, out string) field {
	return field{in: in, out: out, send: []any{"2026-03-01T12:00:00.000Z", "2026-03-02T12:00:00+01:00"}, want: []any{nil, "2026-03-02T11:00:00.000Z"},
		wrong: []any{"2026-03-10T15:00:00Z"}, code: "OUT_OF_RANGE", alien: []any{"2026-03-01", "yesterday", "", 1772366400, true}}
}

func uuidField(in, out string) field {
	return field{in: in, out: out,
		send:  []any{"92FF85A4-BD9B-47E4-9ADE-CBB65530F3F4", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		want:  []any{"92ff85a4-bd9b-47e4-9ade-cbb65530f3f4", nil, nil},
		wrong: []any{"92ff85a4bd9b47e49adecbb65530f3f4", "{92ff85a4-bd9b-47e4-9ade-cbb65530f3f4}", "urn:uuid:92ff85a4-bd9b-47e4-9ade-cbb65530f3f4", "92ff85a4-bd9b-97e4-9ade-cbb65530f3f4", "92ff85a4-bd9b-47e4-cade-cbb65530f3f4", "x"},
		alien: []any{true, map[string]any{}}}
}

func enumField(in, out string, values ...any) field {
	return field{in: in, out: out, send: values, alien: []any{"NOPE", "", "Pending Review", 1, true, map[string]any{}}}
}

func sealedField(in, out string, limit int, values ...any) field {
	f := field{in: in, out: out, limit: limit, form: true, send: values, cleared: false, alien: []any{true, map[string]any{}}, wrong: []any{"", " "}}
	for range values {
		f.want = append(f.want, true)
	}
	return f
}

// updateFields is the table of every field that updateCustomer changes (domain: the reconstructed body of the patch).
func updateFields() []field {
	long := strings.Repeat("9", 300)
	list := []field{
		textField("referenceId", "referenceId", 255), textField("debtorId", "debtorId", 255), textField("firstName", "firstName", 255),
		textField("middleName", "middleName", 255), textField("lastName", "lastName", 255), textField("abbreviation", "abbreviation", 50),
		textField("title", "title", 50),
		enumField("gender", "gender", "MALE", "FEMALE", "NON_BINARY", "OTHER", "PREFER_NOT_TO_SAY"),
		{in: "birthday", out: "birthday", send: []any{"1999-12-31", "1900-01-01"}, wrong: []any{"2026-03-10", "1899-12-31"}, code: "OUT_OF_RANGE", alien: []any{"1999-02-29", "", 1}},
		sealedField("ssn", "ssnProvided", 0, "321-54-9876", "321549877"),
		{in: "email", out: "email", limit: 255, form: true, send: []any{"eve@example.com", "Eve.Lee+x@sub.example.org"}, wrong: []any{"eve", "eve@", "Eve <eve@example.com>", ""}, alien: []any{true, map[string]any{}}},
		{in: "language", out: "language", limit: 35, form: true, send: []any{"es", "es-MX"}, wrong: []any{"Spanish!", "", "e"}, alien: []any{map[string]any{}}},
		{in: "timeZone", out: "timeZone", limit: 255, form: true, send: []any{"America/Denver", "US/Eastern"}, want: []any{nil, "America/New_York"}, wrong: []any{"Mars/Base", "Local", "EST", ""}, alien: []any{map[string]any{}}},
		{in: "phone.number", out: "primaryPhone.number", required: true, limit: 255, form: true, send: []any{"+14155550123", "(415) 555-0124"}, want: []any{nil, "+14155550124"}, wrong: []any{"12", "", "not a number"}, alien: []any{true, map[string]any{}}},
		{in: "phone.lineType", out: "primaryPhone.lineType", cleared: "UNKNOWN", send: []any{"MOBILE", "LANDLINE", "FIXED_VOIP", "NON_FIXED_VOIP", "PERSONAL", "TOLL_FREE", "PREMIUM", "SHARED_COST", "UAN", "VOICEMAIL", "PAGER", "UNKNOWN"}, alien: []any{"fixedVoip", "", 1}},
		textField("address.line1", "primaryAddress.line1", 255), textField("address.line2", "primaryAddress.line2", 255),
		textField("address.city", "primaryAddress.city", 255), textField("address.county", "primaryAddress.county", 255),
		{in: "address.state", out: "primaryAddress.state", limit: 50, form: true, send: []any{"ca", "PR"}, want: []any{"CA", nil}, wrong: []any{"California", "XX", ""}, alien: []any{true}},
		{in: "address.postalCode", out: "primaryAddress.postalCode", limit: 20, form: true, send: []any{"94102", "94102-1234"}, wrong: []any{"9410", "SW1A 1AA", ""}, alien: []any{true}},
		{in: "address.country", out: "primaryAddress.country", required: true, send: []any{"ca", "US"}, want: []any{"CA", nil}, wrong: []any{"USA", "XX", "1", ""}, alien: []any{true}},
		markField("consent.doNotCall", "doNotCall"), markField("consent.doNotSms", "doNotSms"), markField("consent.doNotEmail", "doNotEmail"),
		markField("consent.doNotMail", "doNotMail"), requiredFlag("isTest", "isTest"),
		{in: "externalMetadata", out: "externalMetadata", send: []any{map[string]any{"a": []any{1.0, nil}}, "text", 1.5, true, false, []any{}, map[string]any{}, ""},
			wrong: []any{"a\x00b", map[string]any{"a\x00": 1}}},

		enumField("profile.status", "profile.status", "LEAD", "ACTIVE", "INACTIVE"),
		enumField("profile.qualificationStatus", "profile.qualificationStatus", "QUALIFIED", "DISQUALIFIED", "PENDING_REVIEW", "NEEDS_INFORMATION", "IN_PROGRESS"),
		enumField("profile.intent", "profile.intent", "HIGH", "MEDIUM", "LOW", "UNKNOWN"),
		flagField("profile.isDecisionMaker", "profile.isDecisionMaker"),
		textField("profile.disqualificationReason", "profile.disqualificationReason", 255), textField("profile.productInterest", "profile.productInterest", 255),
		textField("profile.productFamily", "profile.productFamily", 255), textField("profile.salutation", "profile.salutation", 50),
		textField("profile.suffix", "profile.suffix", 50), textField("profile.preferredName", "profile.preferredName", 255),
		textField("profile.ethnicity", "profile.ethnicity", 50),
		enumField("profile.maritalStatus", "profile.maritalStatus", "SINGLE", "MARRIED", "DIVORCED", "WIDOWED", "SEPARATED", "DOMESTIC_PARTNERSHIP"),
		textField("profile.clientCustomerId", "profile.clientCustomerId", 255),
		uuidField("profile.currentSourceId", "profile.currentSourceId"), uuidField("profile.originalSourceId", "profile.originalSourceId"),
		pastField("profile.lastContactedAt", "profile.lastContactedAt"), pastField("profile.convertedAt", "profile.convertedAt"),

		enumField("coverage.existingCoverage", "coverage.existingCoverage", "NONE", "MEDICARE_ADVANTAGE", "ORIGINAL_MEDICARE", "MEDICAID", "EMPLOYER", "MARKETPLACE_ACA", "OTHER"),
		textField("coverage.planName", "coverage.planName", 255), textField("coverage.carrier", "coverage.carrier", 255),
		dateField("coverage.desiredStartOn", "coverage.desiredStartOn"),

		sealedField("medicare.mbi", "medicare.mbiProvided", 0, "1EG4-TE5-MK73", "1eg4te5mk74"),
		flagField("medicare.hasCard", "medicare.hasCard"), dateField("medicare.partAOn", "medicare.partAOn"), dateField("medicare.partBOn", "medicare.partBOn"),
		flagField("medicare.hasMedicaid", "medicare.hasMedicaid"), sealedField("medicare.medicaidNumber", "medicare.medicaidNumberProvided", 255, "MD-1", "MD-2"),
		flagField("medicare.hasDisabilityBenefits", "medicare.hasDisabilityBenefits"), flagField("medicare.isVeteran", "medicare.isVeteran"),
		sealedField("medicare.vaNumber", "medicare.vaNumberProvided", 255, "VA-1", "VA-2"),
		textField("medicare.healthSherpaCustomerId", "medicare.healthSherpaCustomerId", 255),

		intField("household.householdIncome", "household.householdIncome"), intField("household.annualIncome", "household.annualIncome"),
		textField("household.filingStatus", "household.filingStatus", 50), intField("household.dependentCount", "household.dependentCount", -1),
		intField("household.subsidyAmount", "household.subsidyAmount"), flagField("household.isSubsidyEligible", "household.isSubsidyEligible"),

		uuidField("enrollment.memberId", "enrollment.memberId"), textField("enrollment.carrierName", "enrollment.carrierName", 255),
		textField("enrollment.planName", "enrollment.planName", 255), textField("enrollment.planCode", "enrollment.planCode", 255),
		dateField("enrollment.enrolledOn", "enrollment.enrolledOn"), dateField("enrollment.effectiveOn", "enrollment.effectiveOn"),
		textField("enrollment.carrierAssignedCustomerId", "enrollment.carrierAssignedCustomerId", 255),
		textField("agent.name", "agent.name", 255), intField("agent.npn", "agent.npn", 0, -1),
	}
	for i := range list {
		f := &list[i]
		switch f.in {
		case "referenceId", "debtorId", "profile.clientCustomerId", "medicare.healthSherpaCustomerId", "enrollment.carrierAssignedCustomerId":
			// Ids of other systems are no place for the number of a card.
			f.wrong = append(f.wrong, "4111111111111111", "card 4111-1111-1111-1111")
		}
		switch f.in {
		case "ssn":
			f.wrong = append(f.wrong, "12345678", "000-12-3456", long)
		case "medicare.mbi":
			f.wrong = append(f.wrong, "1EG4-TE5-MK7", "SEG4-TE5-MK73", long)
		}
	}
	return list
}

func requiredFlag(in, out string) field {
	f := flagField(in, out)
	f.required = true
	return f
}

// input makes an input that has one value at a path.
func input(path string, value any) map[string]any {
	section, name, ok := strings.Cut(path, ".")
	if !ok {
		return map[string]any{path: value}
	}
	return map[string]any{section: map[string]any{name: value}}
}

// Every field by one table: absent keeps, null clears or is refused, a right value is stored once, and a wrong one
// of any kind is refused with its code and path and writes nothing.
func TestUpdateFieldByField(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	fields := updateFields()
	people := w.Harbor.People(t, len(fields))
	for n, f := range fields {
		t.Run(f.in, func(t *testing.T) {
			t.Parallel()
			id := graphtest.ID(people[n].Customer)
			version := func() any {
				return w.OK(t, w.Harbor.Key, readDocument, graphtest.Vars{"id": id}).At("customer.version")
			}
			update := func(in map[string]any) *graphtest.Reply {
				in["id"] = id
				return w.Do(t, w.Harbor.Key, updateDocument, graphtest.Vars{"input": in})
			}
			taken := func(in map[string]any, want any, why string) float64 {
				t.Helper()
				r := update(in)
				require.Empty(t, r.Errors, "%s: %s", why, r.Body)
				require.Equal(t, []any{}, r.At("updateCustomer.userErrors"), why)
				require.Equal(t, want, r.At("updateCustomer.customer."+f.out), why)
				return r.At("updateCustomer.customer.version").(float64)
			}
			refused := func(in map[string]any, code, why string) {
				t.Helper()
				before := version()
				r := update(in)
				require.Empty(t, r.Errors, "%s: %s", why, r.Body)
				require.Nil(t, r.At("updateCustomer.customer"), why)
				require.Equal(t, 1, r.Len("updateCustomer.userErrors"), "%s: %s", why, r.Body)
				if code != "" {
					require.Equal(t, code, r.At("updateCustomer.userErrors.0.code"), why)
				}
				path := []any{"input"}
				for _, step := range strings.Split(f.in, ".") {
					path = append(path, step)
				}
				require.Equal(t, path, r.At("updateCustomer.userErrors.0.path"), why)
				require.Equal(t, before, version(), "%s: nothing is written", why)
			}
			absent := map[string]any{}
			if section, _, ok := strings.Cut(f.in, "."); ok {
				absent[section] = map[string]any{}
			}

			last := version().(float64)
			var stored any
			for i, value := range f.send {
				stored = value
				if i < len(f.want) && f.want[i] != nil {
					stored = f.want[i]
				}
				// The first value may be the one that is there.
				now := taken(input(f.in, value), stored, "a right value")
				if i > 0 {
					require.Equal(t, last+1, now, "a change raises the version")
				}
				last = now
				require.Equal(t, last, taken(input(f.in, value), stored, "the same again"), "what is stored already is not written")
				require.Equal(t, last, taken(absent, stored, "absent"), "absent keeps")
			}
			for _, value := range f.wrong {
				refused(input(f.in, value), f.code, "a wrong value")
			}
			for _, value := range f.alien {
				r := update(input(f.in, value))
				require.NotEmpty(t, r.Code(), "%v: %s", value, r.Body)
				require.Contains(t, []string{"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}, r.Code())
				require.Equal(t, last, version(), "nothing is written")
			}
			if f.limit > 0 {
				refused(input(f.in, strings.Repeat("é", f.limit+1)), "TOO_LONG", "one character too many")
				if !f.form {
					whole := strings.Repeat("é", f.limit)
					last = taken(input(f.in, whole), whole, "code points are counted, not bytes")
					stored = whole
				}
			}
			if f.required {
				refused(input(f.in, nil), "REQUIRED", "null")
				return
			}
			if f.mark {
				require.Equal(t, last+1, taken(input(f.in, nil), false, "null"), "null takes the mark away")
			} else if f.cleared == false {
				// A section whose last value is cleared is gone as a whole.
				r := update(input(f.in, nil))
				require.NotEqual(t, true, r.At("updateCustomer.customer."+f.out), r.Body)
				require.Equal(t, last+1, r.At("updateCustomer.customer.version"))
			} else if stored == f.cleared {
				require.Equal(t, last, taken(input(f.in, nil), f.cleared, "null of what is so"))
			} else {
				require.Equal(t, last+1, taken(input(f.in, nil), f.cleared, "null"), "null clears")
			}
			require.Equal(t, version(), update(input(f.in, nil)).At("updateCustomer.customer.version"), "null again")
		})
	}
}

// What the server owns is not in the input, so that it cannot be set by mistake or by malice.
func TestServerOwnedFieldsAreRefused(t *testing.T) {
	t.Parallel()
	w := graphtest.New(t)
	p := w.Harbor.Person(t)
	for _, name := range []string{"id", "createdAt", "updatedAt", "createdBy", "updatedBy", "clientId", "deleted", "deletedAt", "deletedBy", "version",
		"organizationId", "mergedIntoId", "parentId", "searchText", "doNotCallAt", "ssnProvided", "unknown"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := w.Do(t, w.Harbor.Key, updateDocument, graphtest.Vars{"id": graphtest.ID(p.Customer), "input": map[string]any{name: "x", "firstName": "Mallory"}})
			require.Contains(t, []string{"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}, r.Code(), r.Body)
			r = w.OK(t, w.Harbor.Key, readDocument, graphtest.Vars{"id": graphtest.ID(p.Customer)})
			require.NotEqual(t, "Mallory", r.At("customer.firstName"))
		})
	}
}
