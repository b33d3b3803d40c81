package ledger

import (
	"context"
)

// TableSize is what one table takes.
type TableSize struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Tables returns the size of every table with its indexes, and of what is free in the file under "free", the largest first.
func (s *SQLite) Tables(ctx context.Context) ([]TableSize, error) {
	var sizes []TableSize
	err := s.read(ctx, func(ctx context.Context, snap session) error {
		query := `SELECT m.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_master m ON m.name = d.name WHERE d.aggregate = TRUE GROUP BY m.tbl_name
			UNION ALL SELECT 'free', (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)
			ORDER BY 2 DESC, 1`
		err := eachRow(ctx, snap, "sizes of tables", query, nil, func(scan func(...any) error) error {
			var t TableSize
			err := scan(&t.Name, &t.Bytes)
			sizes = append(sizes, t)
			return err
		})
		for i := range sizes {
			t := &sizes[i]
			if t.Name == "free" {
				continue
			}
			if _, countErr := oneRow(ctx, snap, "table "+t.Name, `SELECT count(*) FROM "`+t.Name+`"`, nil, &t.Rows); countErr != nil {
				return countErr
			}
		}
		return err
	})
	return sizes, err
}
