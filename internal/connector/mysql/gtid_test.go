package mysql

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

const (
	uuidA = "3e11fa47-71ca-11e1-9e33-c80aa9429562"
	uuidB = "4f11fa47-71ca-11e1-9e33-c80aa9429562"
)

func TestGTIDSetText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{uuidA + ":1", uuidA + ":1"},
		{uuidA + ":1-5:6", uuidA + ":1-6"},
		{"3E11FA47-71CA-11E1-9E33-C80AA9429562:1-5", uuidA + ":1-5"},
		{uuidA + ":7:1-3", uuidA + ":1-3:7"},
		{uuidB + ":1,\n" + uuidA + ":2", uuidA + ":2," + uuidB + ":1"},
		{uuidA + ":1-9:tag:1-2:other_1:4", uuidA + ":1-9:other_1:4:tag:1-2"},
		{uuidA + ":tag:1", uuidA + ":tag:1"},
	} {
		s, err := parseGTIDSet(c.in)
		if err != nil {
			t.Errorf("parse %q: %v", c.in, err)
			continue
		}
		if got := s.String(); got != c.want {
			t.Errorf("parse %q: got %q, want %q", c.in, got, c.want)
		}
	}
	for _, bad := range []string{"x", uuidA, uuidA + ":", uuidA + ":0", uuidA + ":5-3", uuidA + ":tag", uuidA + ":tag:tog:1", uuidA + ":-1",
		uuidA[:35] + ":1", "0-1-5", uuidA + ":1-"} {
		if s, err := parseGTIDSet(bad); err == nil {
			t.Errorf("parse %q: got %q, want an error", bad, s)
		}
	}
}

func TestGTIDTagIsAnotherName(t *testing.T) {
	s, err := parseGTIDSet(uuidA + ":1-9:tag:1-2")
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{uuidA + ":9": true, uuidA + ":10": false, uuidA + ":tag:2": true, uuidA + ":tag:3": false,
		uuidB + ":1": false, uuidA + ":other:1": false, "": false, "0-1-5": false, uuidA: false} {
		if got := s.contains(id); got != want {
			t.Errorf("contains(%q): got %v, want %v", id, got, want)
		}
	}
}

// The set agrees with a plain map, whatever the order in which names arrive, and its text reads back as itself.
func TestGTIDSetAgainstMap(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for round := 0; round < 200; round++ {
		s, sub, plain := &gtidSet{}, &gtidSet{}, map[string]bool{}
		for i := 0; i < rnd.IntN(60); i++ {
			id := fmt.Sprintf("%s:%d", []string{uuidA, uuidB, uuidA + ":tag"}[rnd.IntN(3)], 1+rnd.IntN(40))
			s.add(id)
			plain[id] = true
			if rnd.IntN(2) == 0 {
				sub.add(id)
			}
		}
		again, err := parseGTIDSet(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("seed %d: %q reads back as %v, %v", seed, s, again, err)
		}
		all := true
		for _, source := range []string{uuidA, uuidB, uuidA + ":tag"} {
			for n := 1; n <= 42; n++ {
				id := fmt.Sprintf("%s:%d", source, n)
				if again.contains(id) != plain[id] {
					t.Fatalf("seed %d: contains(%s) in %s: want %v", seed, id, s, plain[id])
				}
				all = all && (!plain[id] || sub.contains(id))
			}
		}
		if !s.containsSet(sub) || sub.containsSet(s) != all {
			t.Fatalf("seed %d: containsSet of %s and %s is wrong", seed, s, sub)
		}
	}
}

func FuzzGTIDSet(f *testing.F) {
	f.Add(uuidA + ":1-9:tag:1-2," + uuidB + ":4")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseGTIDSet(text)
		if err != nil {
			return
		}
		again, err := parseGTIDSet(s.String())
		if err != nil || !again.containsSet(s) || !s.containsSet(again) {
			t.Fatalf("%q gives %q, which does not read back: %v", text, s, err)
		}
	})
}
