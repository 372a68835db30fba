//! The end of a commit: the steps after a batch is durable, in the order in which the node keeps its promises.
//!
//! The daemon's commit thread and the simulator do each step in their own way, in this order.
//!
//! Must not know files, threads and links.
//!
//! Invariants:
//! - a checkpoint covers durable leaves only;
//! - links and operators see nothing that is not durable;
//! - nobody is answered before the batch is durable, shown, and rid of the bytes that it orders to destroy.

/// A batch whose records are durable.
pub trait DurableBatch {
    /// A step that fails stops the node. The next start derives the store from the ledger and destroys what must be destroyed. Warnings and answers
    /// that were not given are lost: a waiter whose node stops does not know whether its command was done.
    type Error;

    /// Signs a checkpoint over all durable leaves, if the batch has records, or if the node has not signed one since it may sign. A batch that was
    /// on its way when the rollback guard stopped the node is signed too: its entries were decided before.
    fn sign_checkpoint(&mut self);

    /// Writes the records into the store, which is derived from the ledger.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn write_store(&mut self) -> Result<(), Self::Error>;

    /// Shows the new end of the ledger and the checkpoint to links and operators.
    fn show(&mut self);

    /// Destroys the bytes that must not outlast the batch.
    ///
    /// # Errors
    /// When they cannot be overwritten.
    fn destroy(&mut self) -> Result<(), Self::Error>;

    /// Warns the operator, and gives each waiter its answer.
    fn answer(&mut self);
}

/// Takes all steps.
///
/// # Errors
/// The first step that fails. Later steps are not taken.
pub fn finish<B: DurableBatch>(batch: &mut B) -> Result<(), B::Error> {
    batch.sign_checkpoint();
    batch.write_store()?;
    batch.show();
    batch.destroy()?;
    batch.answer();
    Ok(())
}
