package bulk

import (
	"context"
	"fmt"
	"io"

	"caseload/internal/blob"
)

// source is the file of an operation.
type source struct {
	store *blob.Store
	o     *Operation
	keys  shape
}

// open returns the rows of the file from an offset on, where the row with the given number begins; 0 is the beginning of the file. The
// header is nil for JSON Lines; rows are not usable when it has refusals. The caller closes the closer.
func (s source) open(ctx context.Context, offset int64, line int32) (records, *csvHeader, io.Closer, error) {
	var header *csvHeader
	if s.o.Format == CSV {
		file, err := s.reader(ctx, 0)
		if err != nil {
			return nil, nil, nil, err
		}
		header, err = readHeader(file, s.keys)
		_ = file.Close()
		if err != nil {
			return nil, nil, nil, fmt.Errorf("read the header of a file: %w", err)
		}
		offset = max(offset, header.end)
	}
	file, err := s.reader(ctx, offset)
	if err != nil {
		return nil, nil, nil, err
	}
	in := newFileReader(file, offset, line)
	if header != nil {
		return newCSV(in, header), header, file, nil
	}
	return jsonLines{in}, nil, file, nil
}

func (s source) reader(ctx context.Context, offset int64) (io.ReadCloser, error) {
	r, err := s.store.Open(ctx, s.o.OrganizationID, *s.o.FileKey, offset)
	if err != nil {
		return nil, fmt.Errorf("open the file of a bulk operation: %w", err)
	}
	return r, nil
}
