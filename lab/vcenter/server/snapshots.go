// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"errors"
	"log"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// snapshotRequest is what both calls that take a snapshot ask for. Memory is never saved: the lab's machines
// have none.
type snapshotRequest struct {
	name        string
	description string
	quiesce     bool
}

// CreateSnapshotTask freezes all disks that are neither independent nor raw.
func (vm *virtualMachine) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	wanted := snapshotRequest{req.Name, req.Description, req.Quiesce}
	task := vm.site.startTask(vm, "createSnapshotTask", func() (types.AnyType, types.BaseMethodFault) {
		return vm.takeSnapshot(wanted)
	})
	return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: task}}
}

// CreateSnapshotExTask is the same; a specification of how to quiesce asks for it.
func (vm *virtualMachine) CreateSnapshotExTask(ctx *simulator.Context, req *types.CreateSnapshotEx_Task) soap.HasFault {
	wanted := snapshotRequest{req.Name, req.Description, req.QuiesceSpec != nil}
	task := vm.site.startTask(vm, "createSnapshotExTask", func() (types.AnyType, types.BaseMethodFault) {
		return vm.takeSnapshot(wanted)
	})
	return &methods.CreateSnapshotEx_TaskBody{Res: &types.CreateSnapshotEx_TaskResponse{Returnval: task}}
}

func (vm *virtualMachine) takeSnapshot(wanted snapshotRequest) (types.AnyType, types.BaseMethodFault) {
	if fault := vm.refuseSnapshot(wanted); fault != nil {
		return nil, fault
	}
	fault := vm.change(func() error {
		// What was set about tracking holds for the frozen disks already, or only for their children.
		if vm.site.switches.get().LateChangeIDs {
			return inOrder(func() error { return vm.freezeAll(wanted) }, vm.stun)
		}
		return inOrder(vm.stun, func() error { return vm.freezeAll(wanted) })
	})
	if fault != nil {
		return nil, fault
	}
	if vm.site.switches.take(faultHostLost, vm.Name) != nil {
		return nil, &types.HostCommunication{}
	}
	return snapshotReference(vm.record, vm.record.Current), nil
}

func inOrder(first, second func() error) error {
	if err := first(); err != nil {
		return err
	}
	return second()
}

func (vm *virtualMachine) freezeAll(wanted snapshotRequest) error {
	taken := vm.newSnapshot(wanted)
	for i := range vm.record.Disks {
		frozen, err := vm.freeze(&vm.record.Disks[i])
		if err != nil {
			return err
		}
		taken.Disks = append(taken.Disks, frozen)
	}
	vm.record.Snapshots = append(vm.record.Snapshots, taken)
	vm.record.Current = taken.ID
	return nil
}

func (vm *virtualMachine) newSnapshot(wanted snapshotRequest) snapRecord {
	vm.record.LastSnapshot++
	return snapRecord{
		ID:          vm.record.LastSnapshot,
		Parent:      vm.record.Current,
		Name:        wanted.name,
		Description: wanted.description,
		Created:     time.Now().Unix(),
		// Without memory a snapshot is one of a machine that is off, whatever the machine was.
		PowerState: string(types.VirtualMachinePowerStatePoweredOff),
		Quiesced:   wanted.quiesce && vm.isRunning(),
	}
}

// refuseSnapshot returns the fault by which a snapshot of these disks, or of this guest, fails.
func (vm *virtualMachine) refuseSnapshot(wanted snapshotRequest) types.BaseMethodFault {
	if busy := vm.busy(); busy != nil {
		return busy
	}
	for _, disk := range vm.record.Disks {
		isShared := disk.SharedBus != "" || disk.Sharing == string(types.VirtualDiskSharingSharingMultiWriter)
		if isShared && vm.isRunning() && disk.isFrozenBySnapshots() {
			return &types.GenericVmConfigFault{Reason: "Cannot snapshot shared disk."}
		}
	}
	if vm.site.switches.take(faultSnapshot, vm.Name) != nil {
		return &types.GenericVmConfigFault{Reason: "An error occurred while taking a snapshot"}
	}
	if wanted.quiesce && vm.isRunning() {
		return vm.refuseQuiesce()
	}
	return nil
}

func (vm *virtualMachine) refuseQuiesce() types.BaseMethodFault {
	if vm.record.Description.ToolsAbsent {
		return &types.ToolsUnavailable{}
	}
	if vm.site.switches.take(faultApplicationQuiesce, vm.Name) != nil {
		return &types.ApplicationQuiesceFault{}
	}
	if vm.site.switches.take(faultFilesystemQuiesce, vm.Name) != nil {
		return &types.FilesystemQuiesceFault{}
	}
	return nil
}

// freeze lets later writes of the disk go to a new child, and returns the disk as the snapshot has it.
func (vm *virtualMachine) freeze(disk *diskRecord) (diskRecord, error) {
	frozen := *disk
	if !disk.isFrozenBySnapshots() {
		return frozen, nil
	}
	child, err := vm.files.addChild(vm.record.chain(disk.Key), disk.Link)
	if err != nil {
		return frozen, err
	}
	tracked, err := loadTracker(vm.files, disk.Link)
	if err == nil && tracked != nil {
		frozen.ChangeID = tracked.changeID()
		err = saveTracker(vm.files, child, tracked.next())
	}
	disk.Link = child
	return frozen, err
}

// RemoveSnapshotTask takes the snapshot out of the tree and, unless told otherwise, consolidates.
func (s *snapshot) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) soap.HasFault {
	ids := s.vm.record.subtree(s.id, req.RemoveChildren)
	task := s.vm.startRemoval("removeSnapshotTask", ids, req.Consolidate)
	return &methods.RemoveSnapshot_TaskBody{Res: &types.RemoveSnapshot_TaskResponse{Returnval: task}}
}

// RemoveAllSnapshotsTask removes the whole tree.
func (vm *virtualMachine) RemoveAllSnapshotsTask(ctx *simulator.Context, req *types.RemoveAllSnapshots_Task) soap.HasFault {
	task := vm.startRemoval("removeAllSnapshotsTask", vm.record.allSnapshots(), req.Consolidate)
	return &methods.RemoveAllSnapshots_TaskBody{Res: &types.RemoveAllSnapshots_TaskResponse{Returnval: task}}
}

// startRemoval takes the snapshots out of the tree at once; what takes the task's time is the merging.
func (vm *virtualMachine) startRemoval(name string, ids []int32, consolidate *bool) types.ManagedObjectReference {
	fault := vm.dropSnapshots(ids)
	return vm.site.startTask(vm, name, func() (types.AnyType, types.BaseMethodFault) {
		if fault != nil || (consolidate != nil && !*consolidate) {
			return nil, fault
		}
		return nil, vm.consolidate()
	})
}

// dropSnapshots saves that they are gone before anybody touches their files: from then on a machine that was
// interrupted needs consolidation, and no snapshot shows what it was not.
func (vm *virtualMachine) dropSnapshots(ids []int32) types.BaseMethodFault {
	if busy := vm.busy(); busy != nil {
		return busy
	}
	if vm.site.switches.take(faultRemoval, vm.Name) != nil {
		return &types.GenericVmConfigFault{Reason: "An error occurred while removing a snapshot"}
	}
	return vm.change(func() error {
		for _, id := range ids {
			vm.record.dropSnapshot(id)
		}
		return vm.stun()
	})
}

func (vm *virtualMachine) consolidate() types.BaseMethodFault {
	if vm.site.switches.take(faultConsolidation, vm.Name) != nil {
		log.Printf("%s: consolidation fails as the lab wants it", vm.Name)
		return nil
	}
	return vm.change(func() error { return vm.record.consolidate(vm.files, vm.save) })
}

// ConsolidateVMDisksTask merges what no snapshot needs any more.
func (vm *virtualMachine) ConsolidateVMDisksTask(ctx *simulator.Context, req *types.ConsolidateVMDisks_Task) soap.HasFault {
	task := vm.site.startTask(vm, "consolidateVMDisksTask", func() (types.AnyType, types.BaseMethodFault) {
		if busy := vm.busy(); busy != nil {
			return nil, busy
		}
		return nil, vm.consolidate()
	})
	return &methods.ConsolidateVMDisks_TaskBody{Res: &types.ConsolidateVMDisks_TaskResponse{Returnval: task}}
}

// RevertToSnapshotTask gives the machine the disks of the snapshot.
func (s *snapshot) RevertToSnapshotTask(ctx *simulator.Context, req *types.RevertToSnapshot_Task) soap.HasFault {
	task := s.vm.site.startTask(s.vm, "revertToSnapshotTask", func() (types.AnyType, types.BaseMethodFault) {
		return nil, s.vm.revert(s.id)
	})
	return &methods.RevertToSnapshot_TaskBody{Res: &types.RevertToSnapshot_TaskResponse{Returnval: task}}
}

// RevertToCurrentSnapshotTask does that with the snapshot that the machine stands on.
func (vm *virtualMachine) RevertToCurrentSnapshotTask(ctx *simulator.Context, req *types.RevertToCurrentSnapshot_Task) soap.HasFault {
	if vm.record.Current == 0 {
		return &methods.RevertToCurrentSnapshot_TaskBody{Fault_: simulator.Fault("", &types.NotFound{})}
	}
	task := vm.site.startTask(vm, "revertToCurrentSnapshotTask", func() (types.AnyType, types.BaseMethodFault) {
		return nil, vm.revert(vm.record.Current)
	})
	return &methods.RevertToCurrentSnapshot_TaskBody{Res: &types.RevertToCurrentSnapshot_TaskResponse{Returnval: task}}
}

// revert puts a new child on what the snapshot froze. Tracking begins anew: what was written since is gone,
// and no counter can say so. Without memory the machine is off afterwards.
func (vm *virtualMachine) revert(id int32) types.BaseMethodFault {
	target := vm.record.snapshot(id)
	if target == nil {
		return &types.ManagedObjectNotFound{Obj: snapshotReference(vm.record, id)}
	}
	if busy := vm.busy(); busy != nil {
		return busy
	}
	fault := vm.change(func() error {
		vm.record.Disks = append([]diskRecord{}, target.Disks...)
		vm.record.Current = id
		vm.record.PowerState = target.PowerState
		for i := range vm.record.Disks {
			if err := vm.restart(&vm.record.Disks[i]); err != nil {
				return err
			}
		}
		return vm.stun()
	})
	if fault != nil {
		return fault
	}
	return vm.consolidate()
}

func (vm *virtualMachine) restart(disk *diskRecord) error {
	disk.ChangeID = ""
	if !disk.isFrozenBySnapshots() {
		return nil
	}
	child, err := vm.files.addChild(vm.record.chain(disk.Key), disk.Link)
	if err != nil {
		return err
	}
	disk.Link = child
	return vm.startTracking(disk)
}

// errGone: two clients at once, of whom the other removed the snapshot.
var errGone = errors.New("the snapshot is gone")

// RenameSnapshot changes name and description at once.
func (s *snapshot) RenameSnapshot(ctx *simulator.Context, req *types.RenameSnapshot) soap.HasFault {
	fault := s.vm.change(func() error {
		record := s.vm.record.snapshot(s.id)
		if record == nil {
			return errGone
		}
		record.Name = or(req.Name, record.Name)
		record.Description = or(req.Description, record.Description)
		return nil
	})
	if fault != nil {
		return &methods.RenameSnapshotBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.RenameSnapshotBody{Res: &types.RenameSnapshotResponse{}}
}
