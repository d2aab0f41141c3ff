output "topics" {
  description = "The topics' full names by name: projects/P/topics/T."
  value       = { for name, topic in google_pubsub_topic.topic : name => topic.id }
}

output "dead_letter_subscriptions" {
  description = "The names of the subscriptions that hold what could not be delivered."
  value       = sort([for subscription in google_pubsub_subscription.dead_letter : subscription.name])
}
