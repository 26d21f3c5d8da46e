package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-migrate/godwit"
)

// position encodes a place in the binary log so that plain string comparison orders places of one log: the number behind the
// last dot of the file's name and the offset, both padded. The name before the dot is the same for the whole life of a log and is
// not part of it.
func position(file string, offset uint64) (godwit.Position, error) {
	dot := strings.LastIndexByte(file, '.')
	n, err := strconv.ParseUint(file[dot+1:], 10, 32)
	if dot < 0 || err != nil {
		return "", godwit.Errorf(godwit.Ambiguous, "binary log file %q has no number behind its last dot", file)
	}
	return godwit.Position(fmt.Sprintf("%010d:%020d", n, offset)), nil
}

// splitPosition is the way back: the number of the file and the offset in it.
func splitPosition(p godwit.Position) (number, offset uint64, err error) {
	file, off, ok := strings.Cut(string(p), ":")
	if ok {
		number, err = strconv.ParseUint(file, 10, 32)
	}
	if ok && err == nil {
		offset, err = strconv.ParseUint(off, 10, 64)
	}
	if !ok || err != nil {
		return 0, 0, godwit.Errorf(godwit.Invalid, "position %q is none of a binary log", p)
	}
	return number, offset, nil
}
