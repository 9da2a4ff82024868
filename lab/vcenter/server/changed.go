// SPDX-FileCopyrightText: 2026 The Ferry authors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"io"
	"os"
	"sort"
	"syscall"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// QueryChangedDiskAreas answers one page: the areas in [startOffset, startOffset+length) that were written
// between the given change id and the snapshot, or that are in use for the id `*`.
func (vm *virtualMachine) QueryChangedDiskAreas(ctx *simulator.Context, req *types.QueryChangedDiskAreas) soap.HasFault {
	body := &methods.QueryChangedDiskAreasBody{}
	page, fault := vm.changedAreas(req)
	if fault != nil {
		body.Fault_ = simulator.Fault("", fault)
		return body
	}
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: *page}
	return body
}

func (vm *virtualMachine) changedAreas(req *types.QueryChangedDiskAreas) (*types.DiskChangeInfo, types.BaseMethodFault) {
	disk, fault := vm.askedDisk(req)
	if fault != nil {
		return nil, fault
	}
	if req.StartOffset < 0 || req.StartOffset >= disk.Capacity {
		return nil, &types.InvalidArgument{InvalidProperty: "startOffset"}
	}
	blocks, fault := vm.changedBlocks(disk, req.ChangeId)
	if fault != nil {
		return nil, fault
	}
	page := onePage(blocks, req.StartOffset, disk.Capacity, vm.site.switches.get())
	if len(page.ChangedArea) > 0 && vm.site.switches.take(faultOmitExtent, vm.Name) != nil {
		page.ChangedArea = page.ChangedArea[1:]
	}
	return page, nil
}

// askedDisk is the disk as the snapshot froze it, or without a snapshot as it is.
func (vm *virtualMachine) askedDisk(req *types.QueryChangedDiskAreas) (*diskRecord, types.BaseMethodFault) {
	disks := vm.record.Disks
	if req.Snapshot != nil {
		taken := snapshotOf(*req.Snapshot)
		if taken == nil || taken.vm != vm {
			return nil, &types.InvalidArgument{InvalidProperty: "snapshot"}
		}
		disks = vm.record.snapshot(taken.id).Disks
	}
	disk := findDisk(disks, req.DeviceKey)
	if disk == nil {
		return nil, &types.InvalidArgument{InvalidProperty: "deviceKey"}
	}
	return disk, nil
}

// changedBlocks fails with FileFault where the tracking cannot answer for the whole interval.
func (vm *virtualMachine) changedBlocks(disk *diskRecord, id string) ([]int64, types.BaseMethodFault) {
	tracked, err := loadTracker(vm.files, disk.Link)
	unusable := &types.FileFault{File: datastorePath(vm.record.Name, disk.Link+".vmdk")}
	if err != nil || tracked == nil || !vm.record.TrackingActive || vm.site.switches.take(faultFile, vm.Name) != nil {
		return nil, unusable
	}
	if id == "*" {
		blocks, err := vm.blocksInUse(disk)
		if err != nil {
			return nil, &types.FileFault{File: err.Error()}
		}
		return blocks, nil
	}
	uuid, since, err := parseChangeID(id)
	if err != nil {
		return nil, &types.InvalidArgument{InvalidProperty: "changeId"}
	}
	if uuid != tracked.UUID || (since > tracked.Counter && !tracked.Rewound) {
		return nil, unusable
	}
	return tracked.since(since), nil
}

// since returns the blocks that were written in a later interval than the numbered one.
func (t *tracker) since(counter int64) []int64 {
	var blocks []int64
	for block, marked := range t.Marks {
		if marked > counter {
			blocks = append(blocks, block)
		}
	}
	sort.Slice(blocks, func(i, j int) bool { return blocks[i] < blocks[j] })
	return blocks
}

// blocksInUse are those that any file of the chain holds: in a child what was written, in the base what is
// no hole.
func (vm *virtualMachine) blocksInUse(disk *diskRecord) ([]int64, error) {
	chain := vm.record.chain(disk.Key)
	opened, err := vm.files.open(chain, disk.Link)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	used := map[int64]bool{}
	for _, each := range opened.layers {
		for _, block := range each.held() {
			used[block] = true
		}
	}
	base := opened.layers[len(opened.layers)-1].(flatLayer)
	if err := addData(base.File, used); err != nil {
		return nil, err
	}
	return sorted(used), nil
}

const seekData, seekHole = 3, 4 // As lseek(2) of Linux numbers them.

// addData adds each block of which the file holds any byte.
func addData(file *os.File, used map[int64]bool) error {
	for end := int64(0); ; {
		start, err := file.Seek(end, seekData)
		if isPastLastData(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if end, err = file.Seek(start, seekHole); err != nil {
			return err
		}
		for block := start / blockSize; block*blockSize < end; block++ {
			used[block] = true
		}
	}
}

func isPastLastData(err error) bool {
	failed, ok := err.(*os.PathError)
	return err == io.EOF || (ok && failed.Err == syscall.ENXIO)
}

func sorted(set map[int64]bool) []int64 {
	blocks := make([]int64, 0, len(set))
	for block := range set {
		blocks = append(blocks, block)
	}
	sort.Slice(blocks, func(i, j int) bool { return blocks[i] < blocks[j] })
	return blocks
}

// onePage merges neighbouring blocks into areas and ends where the limits of a page are reached:
//
//	start          limit by length                capacity
//	  |--[area]---[area]--|- - - - - - - - - - - - - |
//	  `----- length ------'   the rest is asked for from here
func onePage(blocks []int64, start, capacity int64, limits settings) *types.DiskChangeInfo {
	end := capacity
	if limits.PageLength > 0 && start+limits.PageLength < capacity {
		end = start + limits.PageLength
	}
	page := &types.DiskChangeInfo{StartOffset: start}
	for _, block := range blocks {
		area := cut(block, start, end, capacity)
		if area.Length <= 0 || extend(page, area) {
			continue
		}
		if limits.PageExtents > 0 && len(page.ChangedArea) == limits.PageExtents {
			end = area.Start
			break
		}
		page.ChangedArea = append(page.ChangedArea, area)
	}
	page.Length = end - start
	return page
}

// cut returns what of the block lies between start and end; no more than nothing if it lies outside.
func cut(block, start, end, capacity int64) types.DiskChangeExtent {
	from, to := block*blockSize, (block+1)*blockSize
	for _, limit := range []int64{end, capacity} {
		if to > limit {
			to = limit
		}
	}
	if from < start {
		from = start
	}
	return types.DiskChangeExtent{Start: from, Length: to - from}
}

// extend lets the last area of the page grow by one that follows it without a gap.
func extend(page *types.DiskChangeInfo, area types.DiskChangeExtent) bool {
	if len(page.ChangedArea) == 0 {
		return false
	}
	last := &page.ChangedArea[len(page.ChangedArea)-1]
	if last.Start+last.Length != area.Start {
		return false
	}
	last.Length += area.Length
	return true
}
