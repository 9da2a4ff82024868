// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"net/http"
	"sync"
)

// The ways by which a client reads a disk.
const (
	wayFolder = "folder"
	wayLease  = "lease"
)

// counters hold how many bytes of each disk went out by each way, under `<machine>/<key>/<way>`.
type counters struct {
	mutex *sync.Mutex
	bytes map[string]int64
}

func newCounters() counters { return counters{&sync.Mutex{}, map[string]int64{}} }

func (c counters) add(machine string, disk int32, way string, bytes int64) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.bytes[fmt.Sprintf("%s/%d/%s", machine, disk, way)] += bytes
}

func (c counters) snapshot() map[string]int64 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	now := map[string]int64{}
	for name, bytes := range c.bytes {
		now[name] = bytes
	}
	return now
}

func (c counters) clear() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for name := range c.bytes {
		delete(c.bytes, name)
	}
}

// meter counts what is written to a client, and lets sessions expire in the middle when the lab wants it.
type meter struct {
	http.ResponseWriter

	site    *site
	machine string
	disk    int32
	way     string
}

// Write ends the connection with the session: vCenter proxies no further byte for one that is gone.
func (m *meter) Write(data []byte) (int, error) {
	count, err := m.ResponseWriter.Write(data)
	m.site.counters.add(m.machine, m.disk, m.way, int64(count))
	if m.site.switches.takeAfter(faultSession, m.machine, int64(count)) != nil {
		m.site.expireSessions()
		panic(http.ErrAbortHandler)
	}
	return count, err
}
