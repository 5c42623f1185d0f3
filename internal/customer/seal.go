package customer

import (
	"github.com/google/uuid"

	"caseload/internal/civil"
	"caseload/internal/db"
	"caseload/internal/entity"
	"caseload/internal/pii"
)

// The names under which blind indexes are derived; changing one makes stored indexes useless.
const (
	indexSSN              = "customers.ssn"
	indexLastFourBirthday = "customers.ssn_last_four+birthday"
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
			return (&Customer{Row: entity.Row{Row: row}, SSNLastFourSealed: sealed}).LastFour(s)
		}),
	}
}

// ssn opens the full number; "" when none is stored.
func (c *Customer) ssn(s *pii.Sealer) (string, error) {
	if c.SSNSealed == nil {
		return "", nil
	}
	return s.Open(at(c.OrganizationID, c.UUID, "ssn_sealed"), c.SSNSealed)
}
