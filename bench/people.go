package main

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"caseload/internal/civil"
	"caseload/internal/customer"
	"caseload/internal/db"
	"caseload/internal/input"
	"caseload/internal/pii"
)

// people are the customers that the bulk writes bring, in two states: in the second, half of them have another e-mail
// address and another street.
type people struct {
	count int
	// lines are the rows as JSON, by state.
	lines [2][][]byte
	// jsonl and csv are the paths of the same rows as files, by state: for a bulk operation and for psql.
	jsonl, csv [2]string
}

// makePeople makes so many customers and their files in dir.
func makePeople(count int, dir string, sealer *pii.Sealer) (*people, error) {
	p := &people{count: count}
	// The server makes ids that grow with time and seals what is personal: psql gets the like of it beside its rows.
	ids, sealed := make([]uuid.UUID, count), make([][4]string, count)
	for n := range count {
		ids[n] = db.NewID()
		var err error
		if sealed[n], err = seal(sealer, ids[n], n); err != nil {
			return nil, err
		}
	}
	for state := range 2 {
		var table bytes.Buffer
		w := csv.NewWriter(&table)
		for n := range count {
			c := newPerson(n, state)
			_, line, ok := input.ParsePhone(c.phone)
			if !ok {
				return nil, fmt.Errorf("make customers: phone number %s is not valid", c.phone)
			}
			p.lines[state] = append(p.lines[state], c.json())
			s := &sealed[n]
			if err := w.Write([]string{ids[n].String(), c.sourceID, c.debtorID, c.firstName, c.lastName, c.email, c.birthday.String(), "FEMALE", "en",
				s[0], s[1], s[2], s[3], c.phone, string(customer.LineTypeOf(line)), c.street, c.city, c.state, c.postalCode}); err != nil {
				return nil, fmt.Errorf("make customers: %w", err)
			}
		}
		if w.Flush(); w.Error() != nil {
			return nil, fmt.Errorf("make customers: %w", w.Error())
		}
		p.csv[state], p.jsonl[state] = filepath.Join(dir, fmt.Sprintf("people-%d.csv", state)), filepath.Join(dir, fmt.Sprintf("people-%d.jsonl", state))
		for path, content := range map[string][]byte{p.csv[state]: table.Bytes(), p.jsonl[state]: append(bytes.Join(p.lines[state], []byte("\n")), '\n')} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				return nil, fmt.Errorf("write customers: %w", err)
			}
		}
	}
	return p, nil
}

// person is one customer.
type person struct {
	sourceID, debtorID, firstName, lastName, email string
	birthday                                       civil.Date
	ssn, phone, street, city, state, postalCode    string
}

var (
	firstNames = []string{"Ann", "Ben", "Carla", "David", "Elena", "Frank", "Grace", "Hugo", "Ines", "Jamal", "Kate", "Leonard", "Miriam"}
	lastNames  = []string{"Rivera", "Smith", "Nguyen", "Garcia", "Johnson", "Okafor", "Kowalski", "Brown", "Patel", "Lee", "Martin", "Cohen", "Diaz", "Andersson", "Vega", "Thompson", "Ito"}
	places     = [][4]string{{"Albany", "NY", "12207", "518"}, {"Peoria", "IL", "61602", "309"}, {"Boulder", "CO", "80302", "303"}, {"Fresno", "CA", "93721", "559"}, {"Waco", "TX", "76701", "254"}}
)

func newPerson(n, state int) person {
	place := places[n%len(places)]
	version := state * (n % 2)
	return person{
		sourceID: fmt.Sprintf("P%07d", n), debtorID: fmt.Sprintf("D%d", n),
		firstName: firstNames[n%len(firstNames)], lastName: lastNames[n%len(lastNames)], email: fmt.Sprintf("person%d.%d@example.com", n, version),
		birthday: civil.MustDate(1950, time.January, 1).AddDays(n % 18000),
		ssn:      fmt.Sprintf("%03d-%02d-%04d", 100+n/989901%500, 1+n/9999%99, 1+n%9999),
		phone:    fmt.Sprintf("+1%s%d", place[3], 2000000+n%7000000), street: fmt.Sprintf("%d Main Street", 100+n%9000+version),
		city: place[0], state: place[1], postalCode: place[2],
	}
}

func (p person) json() []byte {
	return fmt.Appendf(nil, `{"sourceId":%q,"debtorId":%q,"firstName":%q,"lastName":%q,"email":%q,"dateOfBirth":%q,"gender":"Female","ssn":%q,"phone":%q,"primaryLanguage":"en","addresses":[{"line1":%q,"city":%q,"state":%q,"postalCode":%q}]}`,
		p.sourceID, p.debtorID, p.firstName, p.lastName, p.email, p.birthday, p.ssn, p.phone, p.street, p.city, p.state, p.postalCode)
}

// seal makes what is stored of the personal numbers of a customer: the sealed number and its index, and those of its
// last four digits, as PostgreSQL reads bytes.
func seal(s *pii.Sealer, id uuid.UUID, n int) (out [4]string, err error) {
	p := newPerson(n, 0)
	ssn, err := pii.ParseSSN(p.ssn)
	if err != nil {
		return out, fmt.Errorf("make customers: %w", err)
	}
	for i, text := range []string{0: ssn.Reveal(), 2: ssn.LastFour()} {
		if text == "" {
			continue
		}
		column := []string{0: "ssn_sealed", 2: "ssn_last_four_sealed"}[i]
		sealed, err := s.Seal(pii.Location{OrganizationID: big, Table: "customers", Column: column, Row: id}, text)
		if err != nil {
			return out, err
		}
		out[i], out[i+1] = `\x`+hex.EncodeToString(sealed), `\x`+hex.EncodeToString(s.Index(big, "customers."+column, text))
	}
	return out, nil
}
