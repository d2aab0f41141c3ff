//! Parquet files: written whole and synced before they are listed, deleted long after nobody lists them.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use common::port::PortError;
use common::warehouse::TableRef;
use datafusion::arrow::array::{Array, AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::take_record_batch;
use datafusion::arrow::datatypes::{
    DataType as ArrowType, Date32Type, SchemaRef, TimestampMicrosecondType,
};
use datafusion::parquet::arrow::ArrowWriter;

use super::catalog::{GRACE, StoredFile};
use super::sql::functions::cast::DAY;
use super::values::date;

/// Below the data folder.
const FOLDER: &str = "tables";

fn io(
    what: &str,
    path: &Path,
    error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> PortError {
    PortError::other(format!("{what} {}", path.display()), error)
}

/// Writes one table's rows into new files, one for each partition.
pub(super) struct FileWriter {
    root: PathBuf,
    folder: PathBuf,
    number: u64,
    schema: SchemaRef,
    partition: Option<usize>,
    open: BTreeMap<Option<NaiveDate>, Open>,
    /// Nobody will list them: a dropped writer deletes what it wrote.
    written: Vec<PathBuf>,
    kept: bool,
}

struct Open {
    writer: ArrowWriter<File>,
    path: PathBuf,
    rows: u64,
}

impl FileWriter {
    /// A writer below the data folder `root`; `number` is its own, `partition` the place of the partitioning
    /// column.
    pub(super) fn new(
        root: &Path,
        table: &TableRef,
        number: u64,
        schema: SchemaRef,
        partition: Option<usize>,
    ) -> Result<Self, PortError> {
        let folder = Path::new(FOLDER).join(table.dataset.as_str()).join(&table.table);
        let absolute = root.join(&folder);
        fs::create_dir_all(&absolute).map_err(|e| io("making", &absolute, e))?;
        Ok(Self {
            root: root.to_owned(),
            folder,
            number,
            schema,
            partition,
            open: BTreeMap::new(),
            written: Vec::new(),
            kept: false,
        })
    }

    /// Adds rows; their columns are the schema's. `allowed` says which partitions they may fall in.
    pub(super) fn push(
        &mut self,
        batch: &RecordBatch,
        allowed: impl Fn(Option<NaiveDate>) -> Result<(), PortError>,
    ) -> Result<(), PortError> {
        let Some(at) = self.partition else {
            return self.append(None, batch);
        };
        let mut places: BTreeMap<Option<NaiveDate>, Vec<u32>> = BTreeMap::new();
        for (row, day) in days(batch.column(at).as_ref())?.into_iter().enumerate() {
            let row = u32::try_from(row).map_err(|e| PortError::other("a batch of rows", e))?;
            places.entry(day).or_default().push(row);
        }
        for (day, rows) in places {
            allowed(day)?;
            if rows.len() == batch.num_rows() {
                self.append(day, batch)?;
                continue;
            }
            let part = take_record_batch(batch, &UInt32Array::from(rows))
                .map_err(|e| PortError::other("cutting rows by partition", e))?;
            self.append(day, &part)?;
        }
        Ok(())
    }

    fn append(&mut self, day: Option<NaiveDate>, batch: &RecordBatch) -> Result<(), PortError> {
        if !self.open.contains_key(&day) {
            let name = format!("{:08}-{}.parquet", self.number, self.written.len());
            let path = self.folder.join(name);
            let absolute = self.root.join(&path);
            // A number is given out once, so the name is new.
            let file = File::create_new(&absolute).map_err(|e| io("making", &absolute, e))?;
            self.written.push(path.clone());
            let writer = ArrowWriter::try_new(file, Arc::clone(&self.schema), None)
                .map_err(|e| io("writing", &absolute, e))?;
            self.open.insert(day, Open { writer, path, rows: 0 });
        }
        let Some(open) = self.open.get_mut(&day) else { return Ok(()) };
        open.writer.write(batch).map_err(|e| io("writing", &open.path, e))?;
        open.rows += batch.num_rows() as u64;
        Ok(())
    }

    /// Closes and syncs the files. They are deleted again unless [`Self::keep`] is called.
    pub(super) fn finish(&mut self) -> Result<Vec<StoredFile>, PortError> {
        let mut files = Vec::new();
        for (day, open) in std::mem::take(&mut self.open) {
            let Open { writer, path, rows } = open;
            let file = writer.into_inner().map_err(|e| io("writing", &path, e))?;
            file.sync_all().map_err(|e| io("syncing", &path, e))?;
            let bytes = file.metadata().map_err(|e| io("reading", &path, e))?.len();
            let path = path.to_string_lossy().into_owned();
            files.push(StoredFile { path, rows, bytes, day });
        }
        // The folders too: a synced file in an unsynced folder can be gone after a power failure.
        let mut folder = Some(self.folder.as_path());
        while let Some(path) = folder.filter(|p| !p.as_os_str().is_empty()) {
            let absolute = self.root.join(path);
            let opened = File::open(&absolute).map_err(|e| io("opening", &absolute, e))?;
            opened.sync_all().map_err(|e| io("syncing", &absolute, e))?;
            folder = path.parent();
        }
        Ok(files)
    }

    /// Whether every file is still there.
    pub(super) fn all_there(&self) -> bool {
        self.written.iter().all(|path| self.root.join(path).is_file())
    }

    /// The files are listed now.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.kept {
            for path in &self.written {
                // What stays behind is swept by age.
                drop(fs::remove_file(self.root.join(path)));
            }
        }
    }
}

/// The UTC days of a partitioning column.
fn days(column: &dyn Array) -> Result<Vec<Option<NaiveDate>>, PortError> {
    let day = |days: Option<i32>| days.and_then(date);
    match column.data_type() {
        ArrowType::Date32 => Ok(column.as_primitive::<Date32Type>().iter().map(day).collect()),
        ArrowType::Timestamp(_, _) => {
            let instants = column.as_primitive::<TimestampMicrosecondType>().iter();
            let days = instants.map(|t| t.and_then(|t| i32::try_from(t.div_euclid(DAY)).ok()));
            Ok(days.map(day).collect())
        }
        other => {
            let message =
                format!("a table is partitioned by a DATE or TIMESTAMP column, not {other}");
            Err(PortError::InvalidQuery(message))
        }
    }
}

/// Deletes files that nothing lists and whose last change is past the grace; younger ones may be in the making.
pub(super) fn sweep(root: &Path, listed: &HashSet<PathBuf>, now: DateTime<Utc>) {
    let old = |path: &Path| {
        let changed = fs::metadata(path).and_then(|m| m.modified()).map(DateTime::<Utc>::from);
        changed.is_ok_and(|changed| now - changed > GRACE)
    };
    for dataset in entries(&root.join(FOLDER)) {
        for table in entries(&dataset) {
            for file in entries(&table) {
                let relative = file.strip_prefix(root).map(Path::to_owned).unwrap_or_default();
                let parquet = file.extension().is_some_and(|e| e == "parquet");
                if parquet && !listed.contains(&relative) && old(&file) {
                    // One that stays is met again by the next sweep.
                    drop(fs::remove_file(&file));
                }
            }
        }
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok().map(|e| e.path())).collect()
}
