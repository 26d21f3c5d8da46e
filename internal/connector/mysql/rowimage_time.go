package mysql

// The temporal types in row images. Those with a 2 in their name are MySQL 5.6's and the default everywhere: big-endian, sortable,
// the fraction behind in one to three bytes. The old ones are still in tables that were made before, and in MariaDB with
// mysql56_temporal_format=OFF; their fraction digits are not in the log, so the schema must tell.

func decodeDate(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	d := int(littleEndian(v))
	return c.to.appendDate(dst, d>>9, d>>5&15, d&31)
}

// fraction reads the bytes behind the seconds: hundredths, ten thousandths or millionths.
func fraction(v []byte) int64 {
	switch len(v) {
	case 1:
		return int64(v[0]) * 10_000
	case 2:
		return int64(bigEndian(v)) * 100
	}
	return int64(bigEndian(v))
}

func decodeTimestamp2(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	return c.to.appendTimestamp(dst, int64(bigEndian(v[:4]))*microsPerSecond+fraction(v[4:]))
}

func decodeDatetime2(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	whole := int64(bigEndian(v[:5])) - 0x80_0000_0000
	if whole < 0 {
		return dst, errMalformed
	}
	ym, day, clock := whole>>22, whole>>17&31, whole&(1<<17-1)
	return c.to.appendDateTime(dst, int(ym/13), int(ym%13), int(day), clockMicros(clock)+fraction(v[5:]))
}

// clockMicros unpacks hour, minute and second of 6 bits each, the hour upwards open.
func clockMicros(clock int64) int64 {
	return (clock>>12*3600 + clock>>6&63*60 + clock&63) * microsPerSecond
}

// decodeTime2 reads a TIME: as one number with its fraction it is a biased two's complement, so a negative time has its bits
// turned over before they are cut apart.
func decodeTime2(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	bits := 8 * (len(v) - 3)
	n := int64(bigEndian(v)) - 0x80_0000<<bits
	sign := int64(1)
	if n < 0 {
		sign, n = -1, -n
	}
	micros := clockMicros(n >> bits)
	switch frac := n & (1<<bits - 1); bits {
	case 8:
		micros += frac * 10_000
	case 16:
		micros += frac * 100
	default:
		micros += frac
	}
	return c.to.appendTime(dst, sign*micros)
}

// chooseOldTime picks the decoder and the width of an old temporal type by its declared fraction digits. MariaDB's own forms with
// digits are in sql_type.h and field.h ("hires").
func (c *imageColumn) chooseOldTime(typ byte, differs error) error {
	fsp := c.to.fsp
	switch {
	case fsp > 6:
		return differs
	case typ == typeTimestamp && c.to.base == "timestamp":
		c.fixed, c.decode = 4+(fsp+1)/2, decodeOldTimestamp
	case typ == typeDatetime && c.to.base == "datetime":
		if c.decode = decodeOldDatetime; fsp > 0 {
			c.fixed, c.decode = [...]int{8, 6, 6, 7, 7, 7, 8}[fsp], decodeHiresDatetime
		}
	case typ == typeTime && c.to.base == "time":
		if c.decode = decodeOldTime; fsp > 0 {
			c.fixed, c.decode = [...]int{3, 4, 4, 5, 5, 5, 6}[fsp], decodeHiresTime
		}
	default:
		return differs
	}
	return nil
}

// scaleOf is the number of microseconds in the last of fsp digits.
func scaleOf(fsp int) int64 {
	return [...]int64{1_000_000, 100_000, 10_000, 1000, 100, 10, 1}[fsp]
}

func decodeOldTimestamp(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	if c.to.fsp == 0 {
		return c.to.appendTimestamp(dst, int64(littleEndian(v))*microsPerSecond)
	}
	return c.to.appendTimestamp(dst, int64(bigEndian(v[:4]))*microsPerSecond+int64(bigEndian(v[4:]))*scaleOf(c.to.fsp))
}

// decodeOldDatetime reads the decimal number YYYYMMDDhhmmss.
func decodeOldDatetime(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	n := littleEndian(v)
	d, t := int(n/1_000_000), int64(n%1_000_000)
	return c.to.appendDateTime(dst, d/10_000, d/100%100, d%100, (t/10_000*3600+t/100%100*60+t%100)*microsPerSecond)
}

func decodeHiresDatetime(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	n := int64(bigEndian(v)) * scaleOf(c.to.fsp)
	n, micros := n/microsPerSecond, n%microsPerSecond
	n, s := n/60, n%60
	n, m := n/60, n%60
	n, h := n/24, n%24
	n, day := n/32, n%32
	return c.to.appendDateTime(dst, int(n/13), int(n%13), int(day), (h*3600+m*60+s)*microsPerSecond+micros)
}

// decodeOldTime reads the signed decimal number hhhmmss.
func decodeOldTime(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	n := int64(littleEndian(v)<<40) >> 40
	sign := int64(1)
	if n < 0 {
		sign, n = -1, -n
	}
	return c.to.appendTime(dst, sign*(n/10_000*3600+n/100%100*60+n%100)*microsPerSecond)
}

// decodeHiresTime reads units of the last digit above the type's lowest value less one second, -839:00:00.
func decodeHiresTime(dst []byte, c *imageColumn, v []byte) ([]byte, error) {
	zero := 3_020_400 * microsPerSecond / scaleOf(c.to.fsp)
	return c.to.appendTime(dst, (int64(bigEndian(v))-zero)*scaleOf(c.to.fsp))
}
