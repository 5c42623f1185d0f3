package db

import (
	"github.com/google/uuid"
	"github.com/lib/pq"
)

// Computed declares a field of an entity that is made of columns rather than being one, for those who read rows without the
// entity's struct. The struct has a method for the same field; both must say the same.
type Computed struct {
	Columns []string
	// Value makes the value of the columns' cells, which are as PostgreSQL sends them, nil standing for NULL: nil, a bool, a
	// string, a list of strings, or a JSON.
	Value func(cells [][]byte) (any, error)
}

// Provided reports whether a column has a value, without showing it.
func Provided(column string) Computed {
	return Computed{[]string{column}, func(cells [][]byte) (any, error) { return cells[0] != nil, nil }}
}

// Texts is a column that is a list of texts.
func Texts(column string) Computed {
	return Computed{[]string{column}, func(cells [][]byte) (any, error) {
		list := pq.StringArray{}
		err := list.Scan(cells[0])
		return []string(list), err
	}}
}

// Shown is what may be shown of a sealed column, nil where it is NULL; open is given the row to which the value was sealed.
func Shown(column string, open func(row Row, sealed []byte) (*string, error)) Computed {
	return Computed{[]string{"organization_id", "id", column}, func(cells [][]byte) (any, error) {
		if cells[2] == nil {
			return nil, nil
		}
		organization, err := uuid.ParseBytes(cells[0])
		if err != nil {
			return nil, err
		}
		id, err := uuid.ParseBytes(cells[1])
		if err != nil {
			return nil, err
		}
		shown, err := open(Row{OrganizationID: organization, UUID: id}, cells[2])
		if err != nil || shown == nil {
			return nil, err
		}
		return *shown, nil
	}}
}
