package mysql

import (
	"encoding/json"

	"github.com/godwit-migrate/godwit"
)

// token is what a checkpoint carries beside its position: where exactly the log goes on, and how to recognise it.
type token struct {
	Server string `json:"server"`          // identity of the server; a log of another one has other positions
	File   string `json:"file"`            // go on in this file
	Offset uint64 `json:"offset"`          // behind this byte
	Stamp  uint32 `json:"stamp,omitempty"` // when the file was made: after RESET the same name is another log
	GTIDs  string `json:"gtids,omitempty"` // MySQL: the transactions up to here
	// Skip are transactions behind the position that need no streaming, up to Until: MySQL tells what is visible as a set.
	Skip  string   `json:"skip,omitempty"`
	Until *logSpot `json:"until,omitempty"`
	// Held is where the oldest XA branch begins that is prepared and not finished: its rows must be read again.
	Held *logSpot `json:"held,omitempty"`
}

type logSpot struct {
	File   string `json:"file"`
	Offset uint64 `json:"offset"`
}

func (l logSpot) place() place { return place{file: l.File, offset: l.Offset} }

// reached reports whether p is at or behind q. Files of one log differ in their number only.
func (p place) reached(q place) bool {
	if p.file == q.file {
		return p.offset >= q.offset
	}
	a, errA := p.position()
	b, errB := q.position()
	return errA == nil && errB == nil && a >= b
}

// checkpoint makes the checkpoint of a token. id is the transaction that ends there, if any.
func (t *token) checkpoint(id string) (godwit.Checkpoint, error) {
	pos, err := position(t.File, t.Offset)
	if err != nil {
		return godwit.Checkpoint{}, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return godwit.Checkpoint{}, godwit.Errorf(godwit.Internal, "write checkpoint token: %w", err)
	}
	return godwit.Checkpoint{TxRef: godwit.TxRef{Position: pos, ID: id}, Token: string(text)}, nil
}

// readToken reads a checkpoint back and sees that its two halves belong together.
func readToken(c godwit.Checkpoint) (*token, error) {
	t := &token{}
	if err := json.Unmarshal([]byte(c.Token), t); err != nil {
		return nil, godwit.Errorf(godwit.Invalid, "checkpoint token cannot be read: %w", err)
	}
	if pos, err := position(t.File, t.Offset); err != nil || pos != c.Position {
		return nil, godwit.Errorf(godwit.Invalid, "checkpoint token says %s:%d, its position %s", t.File, t.Offset, c.Position)
	}
	return t, nil
}
