package verify

// Small makes the steps of a comparison so small that a test's few rows take many.
func (o *Options) Small(groupBytes int64, stepRows int) {
	o.groupBytes, o.stepRows = groupBytes, stepRows
}
