// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"strings"
)

// inventorySpec is the file from which a vCenter gets its machines: those whose name it does not have yet.
type inventorySpec struct {
	Machines []machineSpec `json:"vms"`
}

// machineSpec describes a virtual machine. What is left out gets the value that `fill` gives it.
type machineSpec struct {
	Name        string     `json:"name"`
	GuestID     string     `json:"guest_id"`
	Firmware    string     `json:"firmware"`
	MemoryMiB   int64      `json:"memory_mib"`
	CPUs        int32      `json:"cpus"`
	PoweredOff  bool       `json:"powered_off"`
	ToolsAbsent bool       `json:"tools_absent"`
	Host        int        `json:"host"`
	NICs        []nicSpec  `json:"nics"`
	Disks       []diskSpec `json:"disks"`
}

// nicSpec describes a vmxnet3 card on a standard network, which is made if the datacenter lacks it.
type nicSpec struct {
	MAC     string `json:"mac"`
	Network string `json:"network"`
}

// diskSpec describes a disk. Its first content is a copy of a raw image, or zeros up to the capacity.
type diskSpec struct {
	Image string `json:"image,omitempty"`
	Size  int64  `json:"size,omitempty"`
	// Controller is pvscsi or lsilogic; bus and unit place the disk.
	Controller string `json:"controller"`
	Bus        int32  `json:"bus"`
	Unit       *int32 `json:"unit,omitempty"`
	// Mode is a VirtualDiskMode, Sharing a VirtualDiskSharing, SharedBus a VirtualSCSISharing and RawMapping
	// a VirtualDiskCompatibilityMode, all in the API's own words.
	Mode       string `json:"mode"`
	Sharing    string `json:"sharing,omitempty"`
	SharedBus  string `json:"shared_bus,omitempty"`
	RawMapping string `json:"raw_mapping,omitempty"`
}

func (m *machineSpec) fill() {
	m.GuestID = or(m.GuestID, "debian10_64Guest")
	m.Firmware = or(m.Firmware, "bios")
	if m.MemoryMiB == 0 {
		m.MemoryMiB = 1024
	}
	if m.CPUs == 0 {
		m.CPUs = 1
	}
	for i := range m.NICs {
		m.NICs[i].Network = or(m.NICs[i].Network, "VM Network")
	}
}

// fill gives the disk the defaults, and the next free unit of its bus. Unit 7 is the controller's own.
func (d *diskSpec) fill(others []diskRecord) {
	d.Controller = or(d.Controller, "pvscsi")
	d.Mode = or(d.Mode, "persistent")
	if d.Unit != nil {
		return
	}
	unit := int32(0)
	for isTaken(others, d.Bus, unit) || unit == 7 {
		unit++
	}
	d.Unit = &unit
}

func isTaken(disks []diskRecord, bus, unit int32) bool {
	for _, disk := range disks {
		if disk.Bus == bus && *disk.Unit == unit {
			return true
		}
	}
	return false
}

func (m *machineSpec) check() error {
	if m.Name == "" || strings.ContainsAny(m.Name, "/[]") {
		return fmt.Errorf("a machine cannot be called %q", m.Name)
	}
	for _, disk := range m.Disks {
		if disk.Image == "" && disk.Size <= 0 {
			return fmt.Errorf("%s: a disk needs an image or a size", m.Name)
		}
	}
	return nil
}

func isIndependent(mode string) bool { return strings.HasPrefix(mode, "independent") }

func or(value, fallback string) string {
	if value == "" {
		return fallback
	}
	return value
}
