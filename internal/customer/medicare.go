package customer

import (
	"caseload/internal/pii"
)

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

// number opens a sealed column; "" when nothing is stored.
func (m *Medicare) number(s *pii.Sealer, column string) (string, error) {
	value := *m.sealed()[column]
	if value == nil {
		return "", nil
	}
	return s.Open(medicareAt(m.OrganizationID, m.UUID, column), value)
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
	if *to, err = s.Seal(medicareAt(m.OrganizationID, m.UUID, column), *number); err != nil {
		return err
	}
	if column == columnMBI {
		m.MBIIndex = s.Index(m.OrganizationID, indexMBI, *number)
	}
	return nil
}
