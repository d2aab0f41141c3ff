variable "images" {
  description = "The four images, by digest. The build that made them hands them over."
  type = object({
    onboard   = string
    trigger   = string
    scheduler = string
    pipeline  = string
  })
}
