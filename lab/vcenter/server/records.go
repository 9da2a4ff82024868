// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// machineRecord is all that a restart must not lose about one virtual machine. The managed objects that
// clients see are made from it, and each change of it is saved before a client is told.
type machineRecord struct {
	Number         int32          `json:"number"`
	Name           string         `json:"name"`
	Description    machineSpec    `json:"description"`
	PowerState     string         `json:"power_state"`
	TrackingWanted bool           `json:"tracking_wanted"`
	TrackingActive bool           `json:"tracking_active"`
	Disks          []diskRecord   `json:"disks"`
	Chains         []*chainRecord `json:"chains"`
	Snapshots      []snapRecord   `json:"snapshots"`
	Current        int32          `json:"current_snapshot"`
	LastSnapshot   int32          `json:"last_snapshot"`
	LastDisk       int32          `json:"last_disk"`
}

// diskRecord is a disk as a configuration shows it: that of the machine, or that of a snapshot.
type diskRecord struct {
	diskSpec
	Key      int32  `json:"key"`
	UUID     string `json:"uuid"`
	Capacity int64  `json:"capacity"`
	// Link is the file of the chain that the configuration names.
	Link string `json:"link"`
	// ChangeID is set in snapshots of tracked disks only.
	ChangeID string `json:"change_id,omitempty"`
}

// chainRecord says which files a disk has, and which of them stands on which.
type chainRecord struct {
	Key      int32  `json:"key"`
	Base     string `json:"base"`
	Capacity int64  `json:"capacity"`
	// Parents holds the parent of each child; the base is nobody's child.
	Parents map[string]string `json:"parents"`
	Next    int               `json:"next"`
}

// snapRecord is a snapshot: what its tree shows of it, and the disks that it froze.
type snapRecord struct {
	ID          int32        `json:"id"`
	Parent      int32        `json:"parent"`
	Name        string       `json:"name"`
	Description string       `json:"description"`
	Created     int64        `json:"created"`
	PowerState  string       `json:"power_state"`
	Quiesced    bool         `json:"quiesced"`
	Disks       []diskRecord `json:"disks"`
}

// isFrozenBySnapshots tells whether snapshots take the disk along: independent disks and raw device
// mappings in physical mode stay out of them.
func (d *diskRecord) isFrozenBySnapshots() bool {
	return !isIndependent(d.Mode) && d.RawMapping != "physicalMode"
}

func (m *machineRecord) chain(key int32) *chainRecord {
	for _, chain := range m.Chains {
		if chain.Key == key {
			return chain
		}
	}
	return nil
}

func (m *machineRecord) snapshot(id int32) *snapRecord {
	for i := range m.Snapshots {
		if m.Snapshots[i].ID == id {
			return &m.Snapshots[i]
		}
	}
	return nil
}

func findDisk(disks []diskRecord, key int32) *diskRecord {
	for i := range disks {
		if disks[i].Key == key {
			return &disks[i]
		}
	}
	return nil
}

// readJSON fills the value from a file.
func readJSON(path string, value interface{}) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(content, value)
}

// writeJSON replaces a file; whoever reads it, and whatever is killed, sees the old or the new whole.
func writeJSON(path string, value interface{}) error {
	content, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return replaceFile(path, content)
}

func replaceFile(path string, content []byte) error {
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(beside, content, 0o600); err != nil {
		return err
	}
	return os.Rename(beside, path)
}
