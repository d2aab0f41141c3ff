//! Datasets and tables: made once, told apart by their labels.

use std::collections::BTreeMap;
use std::time::Duration;

use google_cloud_bigquery_v2::model::get_dataset_request::DatasetView;
use google_cloud_bigquery_v2::model::{Access, Dataset, DatasetReference, Table};
use google_cloud_gax::options::RequestOptionsBuilder;

use super::BigQuery;
use crate::gcp::bigquery::client::CALL;
use crate::port::PortError;
use crate::warehouse::{DatasetName, Ensured, TableDefinition, TableRef};

/// The staging tables of loads and exports, when nobody deletes them.
pub(super) const STAGING_DAYS: u32 = 2;

impl BigQuery {
    pub(super) async fn make_dataset(
        &self,
        name: &DatasetName,
        labels: &BTreeMap<String, String>,
    ) -> Result<Ensured, PortError> {
        let place = self.client.place();
        let dataset = Dataset::new()
            .set_dataset_reference(self.dataset_reference(name))
            .set_location(&place.location)
            .set_labels(labels.clone());
        let made = self
            .client
            .again(&format!("the dataset {name}"), || {
                self.client
                    .datasets()
                    .insert_dataset()
                    .set_project_id(&place.project)
                    .set_dataset(dataset.clone())
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        let ensured = match made {
            Ok(_) => Ensured::Created,
            Err(PortError::AlreadyExists(_)) => match self.labels(name).await? {
                Some(found) if found == *labels => Ensured::Existed,
                Some(_) => {
                    return Err(PortError::Conflict(format!(
                        "the dataset {name} has other labels"
                    )));
                }
                None => {
                    return Err(PortError::Conflict(format!("the dataset {name} came and went")));
                }
            },
            Err(error) => return Err(error),
        };
        if !self.writers.is_empty() {
            self.let_write(name).await?;
        }
        Ok(ensured)
    }

    /// Lets the writers write a dataset of ours, and nobody else but who owns it. It is a request of its own: who makes
    /// a dataset owns it, but one that is made together with an access list asks for a right over all of the project's:
    /// <https://docs.cloud.google.com/bigquery/docs/dataset-access-control>.
    async fn let_write(&self, name: &DatasetName) -> Result<(), PortError> {
        let what = format!("the access to the dataset {name}");
        let found = self.client.again(&what, || self.look_at(name, DatasetView::Full)).await?;
        let writers = || {
            self.writers.iter().map(|who| Access::new().set_role("WRITER").set_user_by_email(who))
        };
        let may_write = |of: &Dataset| writers().all(|writer| of.access.contains(&writer));
        if may_write(&found) {
            return Ok(());
        }
        let owners = found.access.into_iter().filter(|access| access.role == "OWNER");
        let dataset = Dataset::new().set_access(owners.chain(writers()));
        let place = self.client.place();
        let patched = self
            .client
            .again(&what, || {
                self.client
                    .datasets()
                    .patch_dataset()
                    .set_project_id(&place.project)
                    .set_dataset_id(name.as_str())
                    .set_dataset(dataset.clone())
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        let Err(error) = patched else { return Ok(()) };
        // Another request may have come first, with the same list.
        let found = self.client.again(&what, || self.look_at(name, DatasetView::Full)).await?;
        if may_write(&found) { Ok(()) } else { Err(error) }
    }

    async fn look_at(
        &self,
        name: &DatasetName,
        view: DatasetView,
    ) -> Result<Dataset, google_cloud_gax::error::Error> {
        self.client
            .datasets()
            .get_dataset()
            .set_project_id(&self.client.place().project)
            .set_dataset_id(name.as_str())
            .set_dataset_view(view)
            .with_attempt_timeout(CALL)
            .send()
            .await
    }

    pub(super) async fn labels(
        &self,
        name: &DatasetName,
    ) -> Result<Option<BTreeMap<String, String>>, PortError> {
        let asked = self
            .client
            .again(&format!("the dataset {name}"), || self.look_at(name, DatasetView::Metadata))
            .await;
        match asked {
            Ok(dataset) => Ok(Some(dataset.labels.into_iter().collect())),
            Err(PortError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn make_table(
        &self,
        table: &TableRef,
        definition: &TableDefinition,
    ) -> Result<Ensured, PortError> {
        if table.project.is_some() {
            return Err(elsewhere(table));
        }
        let made = self
            .client
            .again(&format!("the table {table}"), || {
                self.client
                    .tables()
                    .insert_table()
                    .set_project_id(&self.client.place().project)
                    .set_dataset_id(table.dataset.as_str())
                    .set_table(self.resource(table, definition))
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        match made {
            Ok(_) => Ok(Ensured::Created),
            Err(PortError::AlreadyExists(_)) => Ok(Ensured::Existed),
            Err(error) => Err(error),
        }
    }

    /// A table's resource, `None` where there is none.
    pub(super) async fn table(&self, table: &TableRef) -> Result<Option<Table>, PortError> {
        let reference = self.table_reference(table);
        let asked = self
            .client
            .again(&format!("the table {table}"), || {
                self.client
                    .tables()
                    .get_table()
                    .set_project_id(&reference.project_id)
                    .set_dataset_id(&reference.dataset_id)
                    .set_table_id(&reference.table_id)
                    .with_attempt_timeout(CALL)
                    .send()
            })
            .await;
        match asked {
            Ok(found) => Ok(Some(found)),
            Err(PortError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Deletes a staging table. Where that fails the table expires.
    pub(super) async fn drop_staging(&self, table: &TableRef) {
        let reference = self.table_reference(table);
        let deleted = self
            .client
            .tables()
            .delete_table()
            .set_project_id(reference.project_id)
            .set_dataset_id(reference.dataset_id)
            .set_table_id(reference.table_id)
            .with_attempt_timeout(Duration::from_secs(10))
            .send()
            .await;
        if let Err(error) = deleted {
            tracing::debug!(%table, %error, "a staging table is left to expire");
        }
    }

    /// A reference to a dataset of the deployment's project.
    pub(super) fn dataset_reference(&self, name: &DatasetName) -> DatasetReference {
        DatasetReference::new()
            .set_project_id(&self.client.place().project)
            .set_dataset_id(name.as_str())
    }
}

/// What a table of another project answers where it would be written.
pub(super) fn elsewhere(table: &TableRef) -> PortError {
    PortError::PermissionDenied(format!("{table} is in another project and is not written"))
}
