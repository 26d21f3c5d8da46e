package mysql

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// xaMarkInID stands in the name of a MariaDB transaction that ended by XA COMMIT, before the XA id. MariaDB writes such a commit to the
// log first and to the engine afterwards, outside of the order in which other transactions become visible: a snapshot may stand
// behind it in the log and not show it (1 of 443 commits did so under four writers).
const xaMarkInID = " xa:"

// xaMark is what is proven about XA commits when a snapshot begins: those up to a place in the log are visible, but for the
// branches that were still listed as prepared when that place had been read; a branch is listed until the engine has committed it.
type xaMark struct {
	at       godwit.Position
	prepared map[string]bool
}

// sees reports whether a transaction is none of XA, or is visible for sure.
func (m *xaMark) sees(tx godwit.TxRef) bool {
	_, xid, isXA := strings.Cut(tx.ID, xaMarkInID)
	return !isXA || (m != nil && tx.Position <= m.at && !m.prepared[xid])
}

// readXAMark reads the mark; call it before the snapshot is begun. Where the log cannot be read there is none, and no XA
// transaction is called visible.
func (s *server) readXAMark(ctx context.Context, c *session) (*xaMark, error) {
	file, offset, err := s.logStatus(ctx, c)
	if err != nil {
		if c.broken {
			return nil, err
		}
		return nil, nil
	}
	m := &xaMark{}
	if m.at, err = position(file, offset); err != nil {
		return nil, err
	}
	m.prepared, err = preparedXA(ctx, c)
	return m, err
}

// preparedXA lists the XA branches that are prepared and not finished, by xidText.
func preparedXA(ctx context.Context, c *session) (map[string]bool, error) {
	rows, err := c.all(ctx, "XA RECOVER")
	if err != nil {
		return nil, fmt.Errorf("list prepared XA transactions: %w", err)
	}
	out := map[string]bool{}
	for _, r := range rows {
		format, err1 := strconv.ParseInt(r[0], 10, 32)
		gtrid, err2 := strconv.Atoi(r[1])
		bqual, err3 := strconv.Atoi(r[2])
		if err1 != nil || err2 != nil || err3 != nil || gtrid < 0 || bqual < 0 || gtrid+bqual != len(r[3]) {
			return nil, godwit.Errorf(godwit.Ambiguous, "XA RECOVER shows a branch whose name cannot be read")
		}
		out[xidText([]byte(r[3][:gtrid]), []byte(r[3][gtrid:]), int32(format))] = true
	}
	return out, nil
}
