package customer

import (
	"caseload/internal/db"
	"caseload/internal/pii"
)

// indexMBI is the name under which the blind index is derived; changing it makes stored indexes useless.
const indexMBI = "customer_medicare.mbi"

// The sealed columns of the Medicare section.
const (
	columnMBI      = "mbi_sealed"
	columnMedicaid = "medicaid_number_sealed"
	columnVA       = "va_number_sealed"
)

// sealed are the sealed columns of the section by name.
func (m *Medicare) sealed() map[string]*[]byte {
	return map[string]*[]byte{columnMBI: &m.MBISealed, columnMedicaid: &m.MedicaidNumberSealed, columnVA: &m.VANumberSealed}
}

// MBIProvided reports whether the Medicare Beneficiary Identifier is stored.
func (m *Medicare) MBIProvided() bool { return m.MBISealed != nil }

// MedicaidNumberProvided reports whether the Medicaid number is stored.
func (m *Medicare) MedicaidNumberProvided() bool { return m.MedicaidNumberSealed != nil }

// VANumberProvided reports whether the number of the Department of Veterans Affairs is stored.
func (m *Medicare) VANumberProvided() bool { return m.VANumberSealed != nil }

func (m *Medicare) at(column string) pii.Location {
	return pii.Location{OrganizationID: m.OrganizationID, Table: Medicares.Name(), Column: column, Row: m.UUID}
}

// number opens a sealed column; "" when nothing is stored.
func (m *Medicare) number(s *pii.Sealer, column string) (string, error) {
	value := *m.sealed()[column]
	if value == nil {
		return "", nil
	}
	return s.Open(m.at(column), value)
}

// put seals a number into a column, unless it is stored already: sealing again would look like a change. Nil clears
// the column. The section has its owner.
func (m *Medicare) put(s *pii.Sealer, column string, number *string) error {
	to := m.sealed()[column]
	if number == nil {
		*to = nil
		if column == columnMBI {
			m.MBIIndex = nil
		}
		return nil
	}
	stored, err := m.number(s, column)
	if err != nil || stored == *number {
		return err
	}
	if *to, err = s.Seal(m.at(column), *number); err != nil {
		return err
	}
	if column == columnMBI {
		m.MBIIndex = s.Index(m.OrganizationID, indexMBI, *number)
	}
	return nil
}

// MBILastFour opens the last four characters of the Medicare Beneficiary Identifier; nil when none is stored.
// The caller has checked the permission.
func (m *Medicare) MBILastFour(s *pii.Sealer) (*string, error) {
	mbi, err := m.number(s, columnMBI)
	if err != nil || mbi == "" {
		return nil, err
	}
	last := mbi[max(0, len(mbi)-4):]
	return &last, nil
}

// SetMBI seals a Medicare Beneficiary Identifier and makes its blind index, or says what is wrong with it.
func (m *Medicare) SetMBI(s *pii.Sealer, text string) error {
	mbi, err := pii.ParseMBI(text)
	if err != nil {
		return err
	}
	number := mbi.Reveal()
	return m.put(s, columnMBI, &number)
}

// Computed declares the fields that are not columns, for compiled reads.
func (*Medicare) Computed(s *pii.Sealer) map[string]db.Computed {
	return map[string]db.Computed{
		"mbiProvided":            db.Provided(columnMBI),
		"medicaidNumberProvided": db.Provided(columnMedicaid),
		"vaNumberProvided":       db.Provided(columnVA),
		"mbiLastFour": db.Shown(columnMBI, func(row db.Row, sealed []byte) (*string, error) {
			return (&Medicare{SectionRow: SectionRow{Row: row}, MBISealed: sealed}).MBILastFour(s)
		}),
	}
}
