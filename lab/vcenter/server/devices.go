// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// Keys as ESXi gives them: SCSI controllers from 1000, disks from 2000, network cards from 4000.
const (
	firstControllerKey = 1000
	firstDiskKey       = 2000
	firstCardKey       = 4000
)

// creationSpec describes a machine to the simulator: all but its disks, which it would make itself.
func creationSpec(record *machineRecord) types.VirtualMachineConfigSpec {
	wanted := record.Description
	spec := types.VirtualMachineConfigSpec{
		Name:     record.Name,
		GuestId:  wanted.GuestID,
		Firmware: wanted.Firmware,
		MemoryMB: wanted.MemoryMiB,
		NumCPUs:  wanted.CPUs,
		Files:    &types.VirtualMachineFileInfo{VmPathName: datastorePath(record.Name, record.Name+".vmx")},
	}
	for _, device := range append(controllers(record), cards(record)...) {
		spec.DeviceChange = append(spec.DeviceChange, &types.VirtualDeviceConfigSpec{
			Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device,
		})
	}
	return spec
}

func datastorePath(machine, file string) string {
	return fmt.Sprintf("[%s] %s/%s", datastoreName, machine, filepath.Base(file))
}

// controllers returns one for each bus that a disk is on.
func controllers(record *machineRecord) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	seen := map[int32]bool{}
	for i := range record.Disks {
		disk := &record.Disks[i]
		if !seen[disk.Bus] {
			seen[disk.Bus] = true
			devices = append(devices, controller(disk))
		}
	}
	return devices
}

func controller(disk *diskRecord) types.BaseVirtualDevice {
	shared := types.VirtualSCSISharing(or(disk.SharedBus, string(types.VirtualSCSISharingNoSharing)))
	base := types.VirtualSCSIController{SharedBus: shared, ScsiCtlrUnitNumber: 7}
	base.Key = firstControllerKey + disk.Bus
	base.BusNumber = disk.Bus
	base.DeviceInfo = &types.Description{Label: fmt.Sprintf("SCSI controller %d", disk.Bus)}
	if disk.Controller == "lsilogic" {
		return &types.VirtualLsiLogicController{VirtualSCSIController: base}
	}
	return &types.ParaVirtualSCSIController{VirtualSCSIController: base}
}

// controllerName is the class by which the addresses of a lease name the disk's controller.
func controllerName(disk *diskRecord) string {
	if disk.Controller == "lsilogic" {
		return "VirtualLsiLogicController"
	}
	return "ParaVirtualSCSIController"
}

func cards(record *machineRecord) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	for i, nic := range record.Description.NICs {
		card := &types.VirtualVmxnet3{}
		card.Key = firstCardKey + int32(i)
		card.MacAddress = nic.MAC
		card.AddressType = string(types.VirtualEthernetCardMacTypeManual)
		card.DeviceInfo = &types.Description{Label: fmt.Sprintf("Network adapter %d", i+1)}
		backing := &types.VirtualEthernetCardNetworkBackingInfo{}
		backing.DeviceName = nic.Network
		card.Backing = backing
		devices = append(devices, card)
	}
	return devices
}

// disks returns the devices as a configuration with these records shows them.
func (vm *virtualMachine) disks(records []diskRecord) []types.BaseVirtualDevice {
	var devices []types.BaseVirtualDevice
	for i := range records {
		devices = append(devices, vm.disk(&records[i]))
	}
	return devices
}

func (vm *virtualMachine) disk(record *diskRecord) types.BaseVirtualDevice {
	unit := *record.Unit
	disk := &types.VirtualDisk{CapacityInKB: record.Capacity / 1024, CapacityInBytes: record.Capacity}
	disk.Key = record.Key
	disk.ControllerKey = firstControllerKey + record.Bus
	disk.UnitNumber = &unit
	disk.DeviceInfo = &types.Description{
		Label:   fmt.Sprintf("Hard disk %d", record.Key-firstDiskKey+1),
		Summary: fmt.Sprintf("%d KB", disk.CapacityInKB),
	}
	if record.RawMapping != "" {
		disk.Backing = vm.rawBacking(record)
	} else {
		disk.Backing = vm.flatBacking(record, record.Link)
	}
	return disk
}

// flatBacking names the link, and as its parents all that it stands on.
func (vm *virtualMachine) flatBacking(record *diskRecord, link string) *types.VirtualDiskFlatVer2BackingInfo {
	backing := &types.VirtualDiskFlatVer2BackingInfo{
		DiskMode:        record.Mode,
		ThinProvisioned: types.NewBool(true),
		Uuid:            record.UUID,
		Sharing:         or(record.Sharing, string(types.VirtualDiskSharingSharingNone)),
	}
	backing.FileName = datastorePath(vm.record.Name, link+".vmdk")
	backing.Datastore = &vm.Datastore[0]
	if link == record.Link {
		backing.ChangeId = record.ChangeID
	}
	if parent, isChild := vm.record.chain(record.Key).Parents[link]; isChild {
		backing.Parent = vm.flatBacking(record, parent)
	}
	return backing
}

func (vm *virtualMachine) rawBacking(record *diskRecord) *types.VirtualDiskRawDiskMappingVer1BackingInfo {
	backing := &types.VirtualDiskRawDiskMappingVer1BackingInfo{
		DiskMode:          record.Mode,
		CompatibilityMode: record.RawMapping,
		DeviceName:        "vml." + record.UUID,
		LunUuid:           record.UUID,
		Uuid:              record.UUID,
		ChangeId:          record.ChangeID,
	}
	backing.FileName = datastorePath(vm.record.Name, record.Link+".vmdk")
	backing.Datastore = &vm.Datastore[0]
	return backing
}

func machineReference(record *machineRecord) types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "VirtualMachine", Value: fmt.Sprintf("vm-%d", record.Number)}
}

// snapshotReference is unique over machines, and never given twice.
func snapshotReference(record *machineRecord, id int32) types.ManagedObjectReference {
	value := fmt.Sprintf("snapshot-%d%04d", record.Number, id)
	return types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: value}
}

// snapshotOf returns our snapshot for a reference, or nil when it is gone or was none.
func snapshotOf(reference types.ManagedObjectReference) *snapshot {
	found, _ := simulator.Map.Get(reference).(*snapshot)
	return found
}
