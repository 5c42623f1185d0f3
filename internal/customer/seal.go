package customer

import (
	"github.com/google/uuid"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/pii"
)

// The names under which blind indexes are derived; changing one makes stored indexes useless.
const (
	indexSSN              = "customers.ssn"
	indexLastFourBirthday = "customers.ssn_last_four+birthday"
	indexMBI              = "customer_medicare.mbi"
)

func at(organizationID, id uuid.UUID, column string) pii.Location {
	return pii.Location{OrganizationID: organizationID, Table: "customers", Column: column, Row: id}
}

func lastFourIndex(s *pii.Sealer, organizationID uuid.UUID, digits string, birthday civil.Date) []byte {
	return s.Index(organizationID, indexLastFourBirthday, digits+"|"+birthday.String())
}

// LastFour opens the last four digits of the social security number; nil when none are stored. The
// caller has checked the permission.
func (c *Customer) LastFour(s *pii.Sealer) (*string, error) {
	if c.SSNLastFourSealed == nil {
		return nil, nil
	}
	digits, err := s.Open(at(c.OrganizationID, c.UUID, "ssn_last_four_sealed"), c.SSNLastFourSealed)
	if err != nil {
		return nil, err
	}
	return &digits, nil
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Customer) Computed(s *pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{
		"ssnProvided": db.Provided("ssn_sealed"),
		"ssnLastFour": db.Shown("ssn_last_four_sealed", func(row db.Row, sealed []byte) (*string, error) {
			return (&Customer{Row: row, SSNLastFourSealed: sealed}).LastFour(s)
		}),
	}
}

// setLastFour seals the last four digits.
func (c *Customer) setLastFour(s *pii.Sealer, digits string) (err error) {
	c.SSNLastFourSealed, err = s.Seal(at(c.OrganizationID, c.UUID, "ssn_last_four_sealed"), digits)
	return err
}

// ssn opens the full number; "" when none is stored.
func (c *Customer) ssn(s *pii.Sealer) (string, error) {
	if c.SSNSealed == nil {
		return "", nil
	}
	return s.Open(at(c.OrganizationID, c.UUID, "ssn_sealed"), c.SSNSealed)
}

// setSSN seals the full number and its last four digits, and makes its blind index.
func (c *Customer) setSSN(s *pii.Sealer, ssn pii.SSN) (err error) {
	if c.SSNSealed, err = s.Seal(at(c.OrganizationID, c.UUID, "ssn_sealed"), ssn.Reveal()); err != nil {
		return err
	}
	c.SSNIndex = s.Index(c.OrganizationID, indexSSN, ssn.Reveal())
	return c.setLastFour(s, ssn.LastFour())
}

func medicareAt(organizationID, id uuid.UUID, column string) pii.Location {
	return pii.Location{OrganizationID: organizationID, Table: "customer_medicare", Column: column, Row: id}
}

// MBILastFour opens the last four characters of the Medicare Beneficiary Identifier; nil when none is stored.
// The caller has checked the permission.
func (m *Medicare) MBILastFour(s *pii.Sealer) (*string, error) {
	if m.MBISealed == nil {
		return nil, nil
	}
	mbi, err := s.Open(medicareAt(m.OrganizationID, m.UUID, "mbi_sealed"), m.MBISealed)
	if err != nil {
		return nil, err
	}
	last := mbi[max(0, len(mbi)-4):]
	return &last, nil
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Medicare) Computed(s *pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{
		"mbiProvided":            db.Provided("mbi_sealed"),
		"medicaidNumberProvided": db.Provided("medicaid_number_sealed"),
		"vaNumberProvided":       db.Provided("va_number_sealed"),
		"mbiLastFour": db.Shown("mbi_sealed", func(row db.Row, sealed []byte) (*string, error) {
			return (&Medicare{Row: row, MBISealed: sealed}).MBILastFour(s)
		}),
	}
}

// SetMBI seals a Medicare Beneficiary Identifier and makes its blind index, or says what is wrong with it.
func (m *Medicare) SetMBI(s *pii.Sealer, text string) error {
	mbi, err := pii.ParseMBI(text)
	if err != nil {
		return err
	}
	if m.MBISealed, err = s.Seal(medicareAt(m.OrganizationID, m.UUID, "mbi_sealed"), mbi.Reveal()); err != nil {
		return err
	}
	m.MBIIndex = s.Index(m.OrganizationID, indexMBI, mbi.Reveal())
	return nil
}
