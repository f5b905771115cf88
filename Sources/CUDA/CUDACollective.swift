import CCUDA
import Foundation
import Synchronization
import Tensors

/// Sums over the GPUs of several processes by NCCL: everyone's numbers are gathered and added in the order of the ranks, because the
/// order of NCCL's own sums depends on the machine.
package final class CUDACollective: Collective, @unchecked Sendable {  // Written in `init` only, but `isAborted`.
  package let rank, count: Int
  private let group: any Collective
  private let device: CUDADevice
  private let library: CUDANetwork
  private let communicator: ncclComm_t
  private let isAborted = Atomic<Bool>(false)

  /// Waits until all ranks are there.
  ///
  /// - Parameter share: hands bytes of rank 0 to all.
  /// - Throws: `CUDAError`, or what `share` threw.
  package init(
    _ device: CUDADevice, _ library: CUDANetwork, _ group: any Collective,
    share: (() throws -> [UInt8]) throws -> [UInt8]
  ) throws {
    (rank, count, self.device, self.group) = (group.rank, group.count, device, group)
    self.library = library
    var id = ccuda_nccl_id()
    let bytes = try share {
      try library.check("ncclGetUniqueId", library.table.ncclGetUniqueId(&id))
      return withUnsafeBytes(of: id) { [UInt8]($0) }
    }
    withUnsafeMutableBytes(of: &id) { $0.copyBytes(from: bytes.prefix($0.count)) }
    guard device.isReady() else { throw CUDAError.failed(call: "ncclCommInitRank", reason: "the GPU has failed") }
    var found: ncclComm_t?
    let status = library.table.ncclCommInitRank(&found, Int32(group.count), id, Int32(group.rank))
    try library.check("ncclCommInitRank", status)
    communicator = found!
  }

  // Not its end in good order, which waits for the others.
  deinit { if !isAborted.load(ordering: .relaxed) { _ = library.table.ncclCommAbort(communicator) } }

  package func rows(of batch: Int) -> Range<Int> { group.rows(of: batch) }

  package func sum(_ x: Tensor) throws -> Tensor {
    let all = device.make([count] + x.shape) { to in
      let from = device.at(x)
      // Ranks decide for themselves whether a step is a graph, and NCCL wants all or none of them to record what they do together.
      device.graphs.apart(device) {
        guard device.isReady() else { return }
        let type = Int32(ccuda_nccl_float32)
        let status = library.table.ncclAllGather(from, to, x.count, type, communicator, device.stream)
        if let problem = library.problem("ncclAllGather", status) { device.fail(problem) }
      }
    }
    return all.sum(axes: [0])
  }

  /// Ends what waits for a rank that has gone. From any thread.
  package func abort() {
    guard !isAborted.exchange(true, ordering: .acquiringAndReleasing) else { return }
    // First: what is released may have added up parts only, and nothing may come of it.
    device.fail(.failed(call: "ncclAllGather", reason: "another rank has ended"))
    _ = library.table.ncclCommAbort(communicator)
  }
}

/// `libnccl.so.2`.
package final class CUDANetwork: @unchecked Sendable {  // Written in `init` only.
  private(set) var table = ccuda_nccl()

  /// Looks for it where the libraries of `device` were looked for.
  package init(of device: CUDADevice) throws(CUDAError) {
    try CUDALibraries.openNetwork(device.environment, &table)
  }

  func problem(_ call: String, _ status: Int32) -> CUDAError? {
    if status == 0 { return nil }
    return .failed(
      call: call, reason: table.ncclGetErrorString(status).map { String(cString: $0) } ?? "error \(status)")
  }

  func check(_ call: String, _ status: Int32) throws(CUDAError) {
    if let problem = problem(call, status) { throw problem }
  }
}
