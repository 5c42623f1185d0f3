package customer_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"caseload/internal/audit"
	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/customer/customertest"
	"caseload/internal/db"
	"caseload/internal/dbtest"
	"caseload/internal/fault"
	"caseload/internal/lending"
	"caseload/internal/pii"
	"caseload/internal/reveal"
	"caseload/internal/viewer"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type world struct {
	*customer.Service
	pool   *db.Pool
	sealer *pii.Sealer
	v      *viewer.Viewer
}

func newWorld(t testing.TB, allowPrivate bool) *world {
	t.Helper()
	w := dbtest.NewWorld(t, dbtest.WorldOptions{Start: noon})
	client := lending.New(lending.Options{Timeout: time.Second})
	t.Cleanup(client.Close)
	return &world{Service: customer.New(w.Pool, w.Sealer, client, allowPrivate, w.Clock.Now), pool: w.Pool, sealer: w.Sealer, v: w.Viewer}
}

func val[T any](v T) graphql.Omittable[*T] { return graphql.OmittableOf(&v) }

// write merges fields into the customer of a reference and stores it, and returns what changed.
func (w *world) write(t *testing.T, f customer.Fields) (*customer.Record, []string) {
	t.Helper()
	var record *customer.Record
	var changed []string
	require.NoError(t, w.pool.InTx(t.Context(), noon, func(tx *db.Tx) error {
		found, err := customer.LockByReference(t.Context(), tx, w.v.Scope(), []string{f.ReferenceID})
		if err != nil {
			return err
		}
		if record = found[f.ReferenceID]; record == nil {
			record = customer.NewRecord(w.v, f.ReferenceID)
		}
		c := fault.NewCheck("input")
		if err := record.Merge(&f, c, w.sealer, civil.DateIn(noon, time.UTC)); err != nil {
			return err
		}
		if err := c.Err(); err != nil {
			return err
		}
		return w.Save(t.Context(), tx, w.v, customer.Batch{Records: []*customer.Record{record}, Entry: func(_ *customer.Record, names []string) (none audit.Change) {
			changed = names
			return none
		}})
	}))
	return record, changed
}

func TestWhatChangesIsNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	_, changed := w.write(t, customer.Fields{ReferenceID: "C-1", FirstName: val("Ann"), PhoneNumber: val("+12125551212"), City: val("Albany")})
	require.Equal(t, []string{"created", "phone_number", "address"}, changed)
	for _, step := range []struct {
		send customer.Fields
		want []string
	}{
		{customer.Fields{FirstName: val("Ann"), PhoneNumber: val("212-555-1212"), City: val(" Albany ")}, []string{}},
		{customer.Fields{FirstName: val("Eve"), DoNotMail: val(true)}, []string{"first_name", "do_not_mail"}},
		{customer.Fields{SSN: val("123-45-6789")}, []string{"ssn", "ssn_last_four"}},
		{customer.Fields{SSN: val("123456789"), SSNLastFour: val("6789")}, []string{}},
		{customer.Fields{State: val("ny")}, []string{"address"}},
		{customer.Fields{PhoneNumber: val("+17185551234")}, []string{"phone_number"}},
		{customer.Fields{ExternalMetadata: graphql.OmittableOf(db.JSON(`{"b": 1.0, "a": [2e1]}`))}, []string{"external_metadata"}},
		{customer.Fields{ExternalMetadata: graphql.OmittableOf(db.JSON(`{"a":[20],"b":1}`))}, []string{}},
		{customer.Fields{PhoneNumber: graphql.OmittableOf[*string](nil)}, []string{"phone_number"}},
		{customer.Fields{PhoneNumber: graphql.OmittableOf[*string](nil)}, []string{}},
	} {
		step.send.ReferenceID = "C-1"
		_, changed := w.write(t, step.send)
		require.Equal(t, step.want, changed)
	}
}

// The rules of the United States hold for addresses there, whichever way an address is changed.
func TestASyncFollowsTheCountryOfAStoredAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.write(t, customer.Fields{ReferenceID: "C-1", City: val("Ottawa"), State: val("NY"), ZipCode: val("12207")})
	_, err := w.pool.Exec(t.Context(), "UPDATE customer_addresses SET country = 'CA', state = 'Ontario', postal_code = 'K1A 0B1'")
	require.NoError(t, err)
	r, changed := w.write(t, customer.Fields{ReferenceID: "C-1", City: val("Montreal"), State: val("Quebec"), ZipCode: val("H2X 1Y4")})
	require.Equal(t, []string{"address"}, changed)
	require.Equal(t, []string{"Montreal", "Quebec", "H2X 1Y4", "CA"}, []string{*r.Address.City, *r.Address.State, *r.Address.PostalCode, r.Address.Country})

	home := customer.NewRecord(w.v, "C-2")
	c := fault.NewCheck("input")
	require.NoError(t, home.Merge(&customer.Fields{State: val("Quebec"), ZipCode: val("H2X 1Y4")}, c, w.sealer, civil.DateIn(noon, time.UTC)))
	require.Len(t, c.Errors(), 2)
	require.Nil(t, home.Address)

	_, changed = w.write(t, customer.Fields{ReferenceID: "C-3", City: graphql.OmittableOf[*string](nil)})
	require.Equal(t, []string{"created"}, changed, "nulls alone make no address")
}

func TestSealedNumbersBelongToTheirRow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	a, _ := w.write(t, customer.Fields{ReferenceID: "A", SSN: val("123-45-6789")})
	b, _ := w.write(t, customer.Fields{ReferenceID: "B", SSN: val("321-54-9876")})
	look := func(r *customer.Record) (string, error) {
		ssn, err := customertest.Revealer(w.pool, w.sealer).Reveal(t.Context(), w.v, reveal.Input{Field: customer.FieldSSN, ID: r.Customer.ID(), Reason: "the customer asked for it"})
		return ssn, err
	}
	ssn, err := look(a)
	require.NoError(t, err)
	require.Equal(t, "123456789", ssn)
	require.True(t, a.Customer.SSNProvided())
	_, err = w.pool.Exec(t.Context(), "UPDATE customers SET ssn_sealed = (SELECT ssn_sealed FROM customers WHERE id = $1) WHERE id = $2", a.Customer.UUID, b.Customer.UUID)
	require.NoError(t, err)
	_, err = look(b)
	require.ErrorIs(t, err, pii.ErrOpen, "a number copied into another row cannot be opened")
	require.NotContains(t, err.Error(), "6789")

	none, _ := w.write(t, customer.Fields{ReferenceID: "N", FirstName: val("Ann")})
	ssn, err = look(none)
	require.NoError(t, err)
	require.Empty(t, ssn)
	var audited int
	require.NoError(t, w.pool.Get(t.Context(), &audited, "SELECT count(*) FROM audit_entries WHERE action = 'customer.pii_revealed' AND reason = 'the customer asked for it'"))
	require.Equal(t, 2, audited, "also when there was nothing to reveal; not when it failed")

	for reason, code := range map[string]fault.UserCode{"short": fault.TooShort, strings.Repeat(" ", 20): fault.Blank, strings.Repeat("\u200b", 20): fault.Blank, "the customer\x00 asked": fault.Invalid, strings.Repeat("x", 501): fault.TooLong} {
		_, err := customertest.Revealer(w.pool, w.sealer).Reveal(t.Context(), w.v, reveal.Input{Field: customer.FieldSSN, ID: a.Customer.ID(), Reason: reason})
		errs, ok := fault.AsUserErrors(err)
		require.True(t, ok)
		require.Equal(t, code, errs[0].Code)
	}
	stranger := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: uuid.New(), Scopes: viewer.AllScopes()}
	_, err = customertest.Revealer(w.pool, w.sealer).Reveal(t.Context(), stranger, reveal.Input{Field: customer.FieldSSN, ID: a.Customer.ID(), Reason: "the customer asked for it"})
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Equal(t, fault.Missing, errs[0].Code)
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	r, _ := w.write(t, customer.Fields{ReferenceID: "C-1", FirstName: val("Ann")})
	id := r.Customer.UUID
	_, err := w.pool.Exec(t.Context(), "INSERT INTO customer_identifiers (organization_id, id, customer_id, source, source_id, language, created_at) VALUES ($1, gen_random_uuid(), $2, 'crm', '9', 'en', now())", w.v.OrganizationID, id)
	require.NoError(t, err)
	for name, row := range map[string]struct {
		where func() (db.Where, error)
		want  fault.Code
	}{
		"reference":         {func() (db.Where, error) { return customer.ByReference("C-1") }, ""},
		"unknown reference": {func() (db.Where, error) { return customer.ByReference("C-2") }, fault.NotFound},
		"identifier": {func() (db.Where, error) {
			return customer.ByIdentifier(customer.IdentifierInput{Source: "crm", SourceID: "9", Language: val("en")})
		}, ""},
		"another language": {func() (db.Where, error) {
			return customer.ByIdentifier(customer.IdentifierInput{Source: "crm", SourceID: "9"})
		}, fault.NotFound},
	} {
		where, err := row.where()
		require.NoError(t, err, name)
		found, err := customer.Customers.One(t.Context(), w.pool, w.v.Scope(), where)
		if row.want != "" {
			require.Equal(t, row.want, fault.CodeOf(err), name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, id, found.UUID, name)
		_, err = customer.Customers.One(t.Context(), w.pool, db.Scope{OrganizationID: uuid.New()}, where)
		require.Equal(t, fault.NotFound, fault.CodeOf(err), name)
	}
}

func TestConfigureLendingSystem(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	const key = "a-key-that-nobody-may-see"
	configure := func(in customer.ConfigureLendingSystemInput) (*customer.LendingSystem, []fault.UserCode) {
		l, err := w.ConfigureLendingSystem(t.Context(), w.v, in)
		errs, _ := fault.AsUserErrors(err)
		if len(errs) == 0 {
			require.NoError(t, err)
		}
		var codes []fault.UserCode
		for _, e := range errs {
			require.NotContains(t, e.Message, key)
			codes = append(codes, e.Code)
		}
		return l, codes
	}
	for _, address := range []string{"http://lending.example.com", "https://127.0.0.1/api", "https://10.1.2.3", "https://[::1]/", "https://169.254.169.254/latest", "https://localhost", "ftp://lending.example.com", "nothing", "https://user:password@lending.example.com"} {
		_, codes := configure(customer.ConfigureLendingSystemInput{BaseURL: address, Key: val(key)})
		require.Equal(t, []fault.UserCode{fault.Invalid}, codes, address)
	}
	_, codes := configure(customer.ConfigureLendingSystemInput{BaseURL: "nothing", Key: val("short")})
	require.Equal(t, []fault.UserCode{fault.Invalid, fault.Invalid}, codes)
	_, codes = configure(customer.ConfigureLendingSystemInput{BaseURL: "https://lending.example.com"})
	require.Equal(t, []fault.UserCode{fault.Required}, codes)
	l, codes := configure(customer.ConfigureLendingSystemInput{BaseURL: "https://lending.example.com/api", Key: val(key)})
	require.Empty(t, codes)
	require.True(t, l.IsEnabled)
	require.False(t, bytes.Contains(l.KeySealed, []byte(key)))
	target, err := w.LendingTarget(t.Context(), w.v)
	require.NoError(t, err)
	require.Equal(t, key, target.Key.Reveal())
	require.False(t, target.AllowPrivate)
	_, codes = configure(customer.ConfigureLendingSystemInput{BaseURL: "https://elsewhere.example.com/api"})
	require.Equal(t, []fault.UserCode{fault.Required}, codes, "the stored key must not follow to another host")
	off, codes := configure(customer.ConfigureLendingSystemInput{BaseURL: "https://lending.example.com/v2", IsEnabled: val(false)})
	require.Empty(t, codes)
	require.Equal(t, l.UUID, off.UUID)
	require.Equal(t, l.KeySealed, off.KeySealed, "an absent key keeps the stored one")
	require.Equal(t, int32(2), off.Version)
	_, err = w.LendingTarget(t.Context(), w.v, "input", "sync")
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Equal(t, []string{"input", "sync"}, errs[0].Path)

	// Many at once, on an organization that has none yet.
	v := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: uuid.New(), Scopes: viewer.AllScopes()}
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if _, err := w.ConfigureLendingSystem(context.Background(), v, customer.ConfigureLendingSystemInput{BaseURL: "https://lending.example.com", Key: val(key)}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	var version, audited int
	require.NoError(t, w.pool.Get(t.Context(), &version, "SELECT version FROM lending_systems WHERE organization_id = $1", v.OrganizationID))
	require.Equal(t, 6, version)
	require.NoError(t, w.pool.Get(t.Context(), &audited, "SELECT count(*) FROM audit_entries WHERE action = 'lending_system.configured' AND changes::text NOT LIKE '%nobody%' AND organization_id = $1", v.OrganizationID))
	require.Equal(t, 6, audited)
}

func TestPrivateLendingSystemsAreRefusedWhenFetching(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	_, err := w.Fetch(t.Context(), lending.Target{OrganizationID: w.v.OrganizationID, BaseURL: "https://127.0.0.1:9", Key: "a-key-that-nobody-may-see"}, lending.Request{ReferenceID: "C-1"}, "input", "sync")
	errs, ok := fault.AsUserErrors(err)
	require.True(t, ok)
	require.Equal(t, fault.LendingRefused, errs[0].Code)
	require.NotContains(t, errs[0].Message, "127.0.0.1")
}

// A filter that finds by personal data tells it, so it needs the permission to read it.
func TestFiltersByPersonalData(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	day := civil.MustDate(1985, time.June, 15)
	r, _ := w.write(t, customer.Fields{ReferenceID: "C-1", SSN: val("123-45-6789"), Birthday: val("1985-06-15"), Email: val("Ann@Example.com"), PhoneNumber: val("+12125551212")})
	w.write(t, customer.Fields{ReferenceID: "C-2", SSN: val("321-54-6789"), Birthday: val("1985-06-16")})
	lists := customer.NewLists(w.sealer)
	find := func(v *viewer.Viewer, f *customer.Filter) ([]uuid.UUID, error) {
		// As the server does it, but for reading the filter from JSON.
		ctx := graphql.WithUnmarshalerMap(viewer.With(t.Context(), v), graphql.BuildUnmarshalerMap(func(context.Context, any) (customer.Filter, error) { return *f, nil }))
		where, err := lists.Customers.Filter(ctx, map[string]any{})
		if err != nil {
			return nil, err
		}
		rows, err := customer.Customers.List(t.Context(), w.pool, v.Scope(), where, db.Page{Order: db.By("created_at")})
		require.NoError(t, err)
		ids := []uuid.UUID{}
		for _, c := range rows {
			ids = append(ids, c.UUID)
		}
		return ids, nil
	}
	weak := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: w.v.OrganizationID, Scopes: []viewer.Scope{viewer.CustomersRead}}
	stranger := &viewer.Viewer{Kind: viewer.APIKey, OrganizationID: uuid.New(), Scopes: viewer.AllScopes()}
	for _, f := range []*customer.Filter{
		{SSN: val("123456789")}, {SSNLastFour: &customer.SSNLastFourFilter{LastFour: "6789", Birthday: day}},
		{Email: val("ann@example.COM")}, {PhoneNumber: val("+12125551212")},
	} {
		found, err := find(w.v, f)
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{r.Customer.UUID}, found)
		found, err = find(stranger, f)
		require.NoError(t, err)
		require.Empty(t, found)
		if _, err = find(weak, f); f.SSN.IsSet() || f.SSNLastFour != nil {
			require.Equal(t, fault.Forbidden, fault.CodeOf(err))
		} else {
			require.NoError(t, err)
		}
	}
	for _, f := range []*customer.Filter{{SSN: val("12")}, {SSNLastFour: &customer.SSNLastFourFilter{LastFour: "x", Birthday: day}}} {
		_, err := find(w.v, f)
		require.Equal(t, fault.BadUserInput, fault.CodeOf(err))
	}
}
