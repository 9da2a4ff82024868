// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// tracker is the change tracking of one link: in which interval between snapshots each block was last
// written. A snapshot keeps the tracker of the link that it froze, so later writes do not hide earlier ones.
type tracker struct {
	UUID    string          `json:"uuid"`
	Counter int64           `json:"counter"`
	Marks   map[int64]int64 `json:"marks"`
	// Rewound: the counter was set back by the lab, so ids from before are taken without complaint.
	Rewound bool `json:"rewound,omitempty"`
}

func newTracker() *tracker {
	return &tracker{UUID: newChangeUUID(), Counter: 1, Marks: map[int64]int64{}}
}

// changeID names the state of the disk at the end of the present interval.
func (t *tracker) changeID() string { return fmt.Sprintf("%s/%d", t.UUID, t.Counter) }

func (t *tracker) mark(blocks []int64) {
	for _, block := range blocks {
		t.Marks[block] = t.Counter
	}
}

// next is the tracker of the interval that follows.
func (t *tracker) next() *tracker {
	following := &tracker{UUID: t.UUID, Counter: t.Counter + 1, Marks: map[int64]int64{}, Rewound: t.Rewound}
	for block, counter := range t.Marks {
		following.Marks[block] = counter
	}
	return following
}

// rewind begins to count at 1 again under the same uuid; all that was marked is forgotten.
func (t *tracker) rewind() {
	t.Counter, t.Marks, t.Rewound = 1, map[int64]int64{}, true
}

// loadTracker returns nil for a link that is not tracked.
func loadTracker(files chainFiles, link string) (*tracker, error) {
	found := &tracker{}
	err := readJSON(files.tracking(link), found)
	if os.IsNotExist(err) {
		return nil, nil
	}
	return found, err
}

func saveTracker(files chainFiles, link string, t *tracker) error {
	return writeJSON(files.tracking(link), t)
}

// parseChangeID splits `<uuid>/<counter>`.
func parseChangeID(id string) (string, int64, error) {
	uuid, number, found := strings.Cut(id, "/")
	if !found {
		return "", 0, fmt.Errorf("%q is no change id", id)
	}
	counter, err := strconv.ParseInt(number, 10, 64)
	return uuid, counter, err
}

// newChangeUUID returns a uuid as change ids show it: `52 3c 9f 01 7a 88 11 0e-6d 1f 2b 3c 4d 5e 6f 70`.
func newChangeUUID() string {
	digits := fmt.Sprintf("% x", randomBytes(16))
	return digits[:23] + "-" + digits[24:]
}

// newDiskUUID returns a uuid as disks have it: `6000C293-7a88-110e-6d1f-2b3c4d5e6f70`.
func newDiskUUID() string {
	raw := randomBytes(16)
	return fmt.Sprintf("6000C29%x-%x-%x-%x-%x", raw[3]&15, raw[4:6], raw[6:8], raw[8:10], raw[10:])
}

func randomBytes(count int) []byte {
	raw := make([]byte, count)
	if _, err := rand.Read(raw); err != nil {
		panic(err) // Linux has no such failure.
	}
	return raw
}
