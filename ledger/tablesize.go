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
func (t *tables) Tables(ctx context.Context) ([]TableSize, error) {
	var sizes []TableSize
	err := t.engine.read(ctx, func(ctx context.Context, snap session) error {
		query := postgresSizes
		if _, embedded := snap.(*prepared); embedded {
			query = sqliteSizes
		}
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

const sqliteSizes = `SELECT m.tbl_name, sum(d.pgsize) FROM dbstat d JOIN sqlite_master m ON m.name = d.name WHERE d.aggregate = TRUE GROUP BY m.tbl_name
	UNION ALL SELECT 'free', (SELECT freelist_count FROM pragma_freelist_count) * (SELECT page_size FROM pragma_page_size)
	ORDER BY 2 DESC, 1`

// postgresSizes adds up what a table is parted into.
const postgresSizes = `SELECT c.relname, (SELECT coalesce(sum(pg_total_relation_size(p.relid)), 0)::bigint FROM pg_partition_tree(c.oid) p)
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 2 DESC, 1`
