package mysql

import (
	"encoding/binary"

	"github.com/godwit-migrate/godwit"
)

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 86_400 * microsPerSecond
	daysTo2000      = 10_957 // from 1970-01-01
	microsTo2000    = daysTo2000 * microsPerDay
)

// appendDate takes the parts of a DATE as stored; zero, partial and impossible dates (2021-02-30) fall under the zero date policy.
func (c *column) appendDate(dst []byte, y, m, d int) ([]byte, error) {
	if c.to == godwit.KindText {
		dst, at := godwit.BeginValue(dst)
		return godwit.EndValue(appendDateText(dst, y, m, d), at), nil
	}
	if !realDate(y, m, d) {
		return c.appendZeroDate(dst)
	}
	return c.appendDay(dst, daysOf(y, m, d), 0)
}

// appendDateTime takes the parts of a DATETIME as stored; micros is the time of the day.
func (c *column) appendDateTime(dst []byte, y, m, d int, micros int64) ([]byte, error) {
	if c.to == godwit.KindText {
		dst, at := godwit.BeginValue(dst)
		dst = append(appendDateText(dst, y, m, d), ' ')
		return godwit.EndValue(appendClock(dst, micros, c.fsp), at), nil
	}
	if !realDate(y, m, d) {
		return c.appendZeroDate(dst)
	}
	return c.appendDay(dst, daysOf(y, m, d), micros)
}

// appendTimestamp takes a TIMESTAMP as microseconds since 1970-01-01 UTC; 0 is the zero timestamp, since the type begins one
// second later.
func (c *column) appendTimestamp(dst []byte, unixMicros int64) ([]byte, error) {
	if unixMicros == 0 {
		return c.appendDateTime(dst, 0, 0, 0, 0)
	}
	days, micros := floorDiv(unixMicros, microsPerDay)
	if c.to == godwit.KindText {
		y, m, d := civilOf(days - daysTo2000)
		return c.appendDateTime(dst, y, m, d, micros)
	}
	return c.appendDay(dst, days-daysTo2000, micros)
}

func (c *column) appendDay(dst []byte, days, micros int64) ([]byte, error) {
	switch c.to {
	case godwit.KindDate:
		if micros != 0 {
			return dst, errFraction
		}
		return binary.BigEndian.AppendUint32(append(dst, 0, 0, 0, 4), uint32(int32(days))), nil
	case godwit.KindDateTime, godwit.KindInstant:
		return appendInt64(dst, days*microsPerDay+micros), nil
	}
	return dst, errMalformed
}

func (c *column) appendZeroDate(dst []byte) ([]byte, error) {
	switch c.zero {
	case actNull:
		return godwit.AppendNull(dst), nil
	case actSentinel:
		return c.appendDay(dst, c.zeroDay, 0)
	}
	return dst, errZeroDate
}

// appendTime takes a TIME as signed microseconds.
func (c *column) appendTime(dst []byte, micros int64) ([]byte, error) {
	switch c.to {
	case godwit.KindTime:
		if micros < 0 || micros >= microsPerDay {
			return dst, errDay
		}
		return appendInt64(dst, micros), nil
	case godwit.KindText:
		dst, at := godwit.BeginValue(dst)
		if micros < 0 {
			dst, micros = append(dst, '-'), -micros
		}
		return godwit.EndValue(appendClock(dst, micros, c.fsp), at), nil
	}
	return appendInt64(dst, micros), nil
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, 0, 0, 0, 8), uint64(v))
}

func realDate(y, m, d int) bool {
	return y > 0 && m > 0 && m <= 12 && d > 0 && d <= daysIn(y, m)
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysOf counts days since 2000-01-01 in the proleptic Gregorian calendar (the algorithm of Howard Hinnant's days_from_civil).
func daysOf(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era, yoe := floorDiv(int64(y), 400)
	doy := int64((153*((m+9)%12)+2)/5 + d - 1)
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146_097 + doe - 719_468 - daysTo2000
}

// civilOf is the way back of daysOf.
func civilOf(days int64) (y, m, d int) {
	era, doe := floorDiv(days+719_468+daysTo2000, 146_097)
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int((mp+2)%12 + 1)
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) (quotient, rest int64) {
	quotient, rest = a/b, a%b
	if rest < 0 {
		quotient, rest = quotient-1, rest+b
	}
	return quotient, rest
}

func appendDateText(dst []byte, y, m, d int) []byte {
	dst = append(dst, '0'+byte(y/1000%10), '0'+byte(y/100%10), '0'+byte(y/10%10), '0'+byte(y%10), '-')
	return append2(append(append2(dst, m), '-'), d)
}

// appendClock prints hours (at least two digits), minutes, seconds and fsp digits of the fraction.
func appendClock(dst []byte, micros int64, fsp int) []byte {
	s, frac := int(micros/microsPerSecond), int(micros%microsPerSecond)
	if h := s / 3600; h >= 100 {
		dst = append(dst, '0'+byte(h/100))
	}
	dst = append(append2(dst, s/3600%100), ':')
	dst = append(append2(dst, s/60%60), ':')
	dst = append2(dst, s%60)
	if fsp > 0 {
		dst = append(dst, '.')
		for i, div := 0, 100_000; i < fsp; i, div = i+1, div/10 {
			dst = append(dst, '0'+byte(frac/div%10))
		}
	}
	return dst
}

func append2(dst []byte, n int) []byte { return append(dst, '0'+byte(n/10%10), '0'+byte(n%10)) }
